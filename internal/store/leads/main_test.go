package leads_test

import (
	"testing"

	"catchment/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }
