"""Real language models, through Pydantic AI: needs the extra `casekeeper[llm]`."""
