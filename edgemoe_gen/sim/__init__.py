"""C simulation: compiles the rendered sources and runs programs on them."""
