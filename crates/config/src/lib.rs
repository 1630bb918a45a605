//! File and environment to one checked Config, then to each crate's settings; every problem at once.
