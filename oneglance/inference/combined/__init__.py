"""Several networks behind the interface of one."""
