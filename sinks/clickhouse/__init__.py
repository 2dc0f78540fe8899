"""ClickHouse: the connection, the tables and views, the writer, the sink that feeds it from Kafka, and the queries."""
