"""Which parameters a trial gets, and when it ends: pure functions of study and earlier trials."""
