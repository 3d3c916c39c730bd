"""Lists, assigns and resolves complaints."""
