"""The model layer: language models behind one door, bounded, paid for, recorded, replayable.

Nothing here knows what a role wants; nothing outside knows what a provider is. pydantic-ai's
`Model` is the protocol: providers, scripted models (`scripted`) and recorded ones (`tape`) are all
that. It is imported when the first question is asked, never before.

How a role uses it (the campaign makes one `Desk` and hands it to the members of a team):

    seat = desk.seat(Role.RESEARCHER, index=brief.index)      # one of the role's models, in turn
    answer = seat.ask(
        Question(
            instructions=system_text,          # ours: how to behave
            prompt=user_text,                  # material: never instructions
            output=Draft,                      # a pydantic model, or str
            tools=(read_candidate, try_probes),  # plain functions: names, types, docstrings
            check=draft_parses,                # ReplyError(what is wrong) is sent back, bounded
            purpose="propose",
        )
    )
    answer.output, answer.call_id, answer.label, answer.family, answer.effort

`ask` raises `ReplyError` when there is no usable reply within the bounds (counted: a `CallEnded`
event says why), `OutOfFunds` when a budget is used up, `Stopped` when somebody asked to stop. A
tool may raise `ReplyError(text)` too: the model is told. What a tool or check raises otherwise goes
through to the caller.

Which models may play is known before: `desk.choices(Role.JUDGE)`; one of them by name:
`desk.seat(Role.JUDGE, index=7, model="gemini")`.

Reasoning effort is chosen per conversation by `Desk(choose_effort=...)`, a function of a `Seat`'s
role, model, range and index; what became of an answer is reported with
`desk.settle(answer.call_id, measure="probes_passed", success=True)` and recorded as `CallJudged`.

In tests: `Desk(..., make_model=scripted({"researcher": replies}))`, see `scripted`.
"""
