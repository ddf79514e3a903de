package store

// InTeam is the condition that a user is in the team of a project: a member of
// its pool, or one of its leads. project is a column, user a parameter, so that
// the teams are read once for a statement; a user that is NULL is in none.
func InTeam(project, user string) string {
	return project + ` IN (SELECT tp.project_id FROM pool_member tm JOIN pool tp ON tp.account_id = $1 AND tp.pool_id = tm.pool_id
		WHERE tm.account_id = $1 AND tm.user_id = ` + user + ` AND (tm.active OR tm.leads))`
}
