package proof

import "context"

func proveBench(ctx context.Context, t *trial) error { return errSkipped{"not yet"} }
