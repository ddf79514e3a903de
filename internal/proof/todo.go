package proof

import "context"

func proveTenants(ctx context.Context, t *trial) error { return errSkipped{"not yet"} }
func proveBench(ctx context.Context, t *trial) error   { return errSkipped{"not yet"} }
