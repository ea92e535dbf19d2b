-- Nothing to take back: the function has the same parameters and gives the same answers as that of 0006_commit_late.sql.
SELECT 1;
