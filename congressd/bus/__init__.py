"""What crosses between nodes: streams (table changes) and control (RPC), in process or over RabbitMQ."""
