-- Nothing to take back: the function has the same parameters and gives the same answers as that of 0002_commit.sql,
-- whose own down file drops it.
SELECT 1;
