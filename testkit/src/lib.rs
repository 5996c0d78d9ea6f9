//! Fixture harness of Flowkeep.
