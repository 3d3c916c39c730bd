"""The stores, the only code that calls DynamoDB: one class for each kind of rows, one method for each access
pattern.
"""
