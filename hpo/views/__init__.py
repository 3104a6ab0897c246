"""Views of a result: sentences, records, figures, pages, the terminal, a paper."""

__all__ = ["figures", "pages", "paper", "records", "sentences", "terminal"]
