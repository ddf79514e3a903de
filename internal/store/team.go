package store

// InTeam is the condition that a user is in the team of a project: a member of
// its pool, or one of its leads. Both are expressions: columns or parameters.
// A user that is NULL is in none.
func InTeam(project, user string) string {
	return `EXISTS (SELECT 1 FROM pool tp JOIN pool_member tm ON tm.account_id = $1 AND tm.pool_id = tp.pool_id AND tm.user_id = ` + user +
		` WHERE tp.account_id = $1 AND tp.project_id = ` + project + ` AND (tm.active OR tm.leads))`
}
