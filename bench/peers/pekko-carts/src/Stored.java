package carts;

/** What is written as JSON, see application.conf. */
public interface Stored {}
