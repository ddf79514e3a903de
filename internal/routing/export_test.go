package routing

// Sabotage has the router decide otherwise than Decide: what a control needs.
func (r *Router) Sabotage(decide func(Round) Outcome) { r.decide = decide }
