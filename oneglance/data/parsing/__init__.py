"""Readers that several sources share: text, tables, JSON and XML, boxes, names of pictures."""
