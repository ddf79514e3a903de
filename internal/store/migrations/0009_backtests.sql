-- Back-tests: policies tried on the rounds that were saved, each a job with
-- its progress and a result that is kept.

CREATE TABLE backtest (
  account_id ID NOT NULL,
  backtest_id ID NOT NULL,
  policy_id ID NOT NULL,
  pool_id ID NOT NULL,
  state TEXT NOT NULL,                   -- running, done, cancelled, failed
  by_actor TEXT NOT NULL,
  from_at INT NOT NULL,
  until_at INT NOT NULL,
  rounds INT NOT NULL,                   -- to decide again
  rounds_done INT NOT NULL,
  result TEXT,                           -- JSON, once it is done; nothing personal
  created_at INT NOT NULL,
  finished_at INT,
  PRIMARY KEY (account_id, backtest_id)
END;
CREATE INDEX backtest_list ON backtest (account_id, created_at, backtest_id);
CREATE UNIQUE INDEX backtest_running ON backtest (account_id, pool_id) WHERE state = 'running';
