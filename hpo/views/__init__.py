"""Views of a result: sentences, records, figures, pages, the terminal."""

__all__ = ["figures", "pages", "records", "sentences", "terminal"]
