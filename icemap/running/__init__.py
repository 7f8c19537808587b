"""Plans, ledgers and executors of every chunked job: the only code that knows Dask."""
