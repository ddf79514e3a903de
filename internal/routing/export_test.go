package routing

// Sabotage has the router decide otherwise than Decide: what a control needs.
func (r *Router) Sabotage(decide func(Round) Outcome) { r.decide = decide }

// OnTestPage has a back-test read few rounds at a time, and calls f after each.
func (r *Router) OnTestPage(rounds int, f func()) { r.testPage, r.testStep = rounds, f }
