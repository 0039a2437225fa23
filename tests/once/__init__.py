"""At most one refund, one reset mail and one answer, whatever happens."""
