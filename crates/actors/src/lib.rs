//! What ractor lacks: bounded mailboxes, asks with a deadline, supervised restart, state cells.
