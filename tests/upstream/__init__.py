# SPDX-License-Identifier: Apache-2.0
"""A small scripted model provider on a real socket, for tests: `server.py` speaks HTTP, the replies say what.

Invariant: nothing here imports customhouse; what the gateway sends is judged by a program that shares no code with it.

    with scripted_upstream() as upstream: ...     # upstream.base_url ends in /v1, upstream.origin does not

| path | checks the request | replies by the model's name | how they are made |
|---|---|---|---|
| /v1/chat/completions | nothing | replies.py `BY_MODEL`, chat_answers.py `CHAT` | the same |
| /v1/responses | responses_check.py | responses_replies.py `RESPONSES` | responses.py, _faults.py, _tools.py |
| /v1/messages | messages_check.py | messages_replies.py `MESSAGES` | messages.py, messages_faults.py |
| /v1/messages/count_tokens | messages_check.py | the failures of `MESSAGES`, else a count | endpoints.py |
| /v1/embeddings | embeddings.py | embeddings.py `EMBEDDINGS` | embeddings.py |

A model that no table names gets a plain answer. `scripted_upstream(by_model={"name": reply})` adds or replaces names at
every path; make replies with `responses.answer(*items)` and `messages.answer(*blocks)`. A request that the real API
would refuse gets that API's 400 (401 without a key), and is in `upstream.requests` too. The header
`anthropic-version` is 2026-10-21 (no temperature, top_p, top_k) or 2023-06-01.

The same name means the same at each path (R Responses, M Messages; no letter: both; chat has most of both, and what
replies.py alone has):

| name | what comes |
|---|---|
| answer | one text |
| all-minilm-l6-v2-int8 | vectors of 384 numbers (embeddings alone) |
| two-parts, two-messages R | one message of two parts; two messages |
| one-call, refund-call | get_order_status; issue_refund |
| parallel-calls, call-with-text, unknown-call, empty-call | two calls; text and a call; no such tool; no arguments |
| no-arguments R | a call whose arguments are the empty string |
| split-call, split-allowed-call | issue_refund, get_order_status in 40 pieces |
| custom-call R | a custom tool's call: the client runs it, its input is text |
| calls-said-stop M | a call, though the reason says end_turn |
| tool-choice-ignored | text where a call was demanded |
| reasoning, reasoning-call | a thought (R: summary), then text; then a call (R: encrypted too) |
| reasoning-text R, reasoning-omitted M | the thought itself as open models give it; a signature without the thought |
| redacted-reasoning | a thought nobody can read (M: redacted_thinking, R: encrypted_content) |
| citations | M: one block for each kind of location; R: one annotation of each kind |
| server-tool, mcp-tool R, pause-turn M | the provider ran a tool itself: nobody decided that |
| server-events R | one event of each type that only provider-run tools have |
| queued R | response.queued among the first events |
| cached-usage | 21 new, 2000 read from and 100 written to the cache: M says input_tokens 21, R says 2121 |
| max-tokens, stop-sequence M, context-window M | cut; ended by a sequence; window full |
| content-filter R, refusal | incomplete; the model (R), or a classifier (M) declines |
| cut-call | cut in the middle of a call's arguments |
| wrong-model | another model's name in the answer |
| thousand-chunks, big-event, huge | 1000 deltas; 1 MiB in one delta; 40 MB of text |
| slow-first-byte, slow-chunks, hang, hang-in-stream, disconnect | as in chat; `upstream.go_on()` ends a hang |
| rejected 400, unauthorized 401, forbidden 403, missing-model 404, too-large 413, broken 500 | error bodies |
| limited 429, no-quota R 429, unavailable 503, overloaded (M 529, R 503), timed-out M 504 | and retry-after: 7 |
| failed R | response.failed |
| cut-stream, cut-before-first, cut-in-call, wrong-length, empty-stream | the connection breaks off; no event at all |
| no-finish, clean-end-no-done, no-stop M, no-start | the last (first) events are missing, the connection ends well |
| no-item-done R, no-arguments-done R, no-block-stop M | an item is never closed; llama.cpp has no-arguments-done |
| done-marker R | [DONE] after the end, as compatible servers send it |
| still-in-progress R | a whole or streamed response that ends in the status in_progress |
| error-first, error-in-stream, error-with-200, nested-error-in-stream R | an error where an answer was due |
| ragged-stream, bad-chunk, wrong-json, not-an-object, no-output R, no-content M | bytes alone; no JSON; no answer |
| interleaved-calls | the events of two calls in turns: legal in R, not done in M |
| index-gap, index-twice, sequence-gap R | indexes 0 and 5; one index for two blocks; a number skipped |
| delta-before-start, delta-after-stop M, delta-after-done R, delta-of-another-kind M | a delta for what is not open |
| start-after-finish, two-messages M | a call after the end; a second message in the stream |
| two-types, unnamed-events | the event's name and its object's type differ (a call under another name); no names |
| differing-input M | the start of a block has other input than its deltas |
| differing-arguments, -item, -name, -call-id, -response, -text, -id R | the deltas and `done` or the end differ |
| call-only-at-the-end R, call-not-at-the-end R | a call that only the last event has, or lacks |
| bad-input M, input-no-object M, bad-arguments R, arguments-no-object R | arguments that are no JSON, or no object |
| duplicate-name, duplicate-type, duplicate-input M, duplicate-arguments R | a key twice in the call |
| duplicate-input-keys M, duplicate-argument-keys R | a key twice in the arguments |
| unknown-event, unknown-delta M, unknown-block M, unknown-item R, unknown-part R, unknown-stop M | not in the SDK |
| no-usage, wrong-usage | no usage; a negative count and a word |

Embeddings have besides the failures of R: wrong-model, too-few, too-many, backwards (right: `index` tells), same-index,
no-numbers, not-finite, empty-vector, wrong-dimensions, wrong-base64, no-usage, not-an-object, wrong-json.

Golden files, below tests/golden/wire, read with tests/golden/streams.py: `events(stream("responses/answer"))`,
`reply("messages/one-call")["body"]`. `messages/` and `responses/` hold what this provider sends, by the names above
(each answer as .sse and .json, failures as .json), every event checked against the SDK's types by test_golden_wire.py.
`llama-cpp/` holds recordings of the real local server (record.py), which leaves much out: no sequence_number, indexes
or response fields, no arguments.done, `completed` though cut, no `input` in content_block_start, stop_reason end_turn
beside a stop_sequence. `responses_tools.SERVER_EVENTS` are the types that only provider-run tools send.
"""
