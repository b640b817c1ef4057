"""CSV files to XLSX workbooks, as jobs."""
