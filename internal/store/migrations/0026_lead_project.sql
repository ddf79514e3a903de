-- The leads of one project, newest first: a team's are few among many.

CREATE INDEX lead_project ON lead (account_id, project_id, created_at, lead_id);
