"""Parts of formats: what several sources read with."""
