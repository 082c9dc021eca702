/* SPDX-License-Identifier: Apache-2.0
 *
 * What upstream.c says in each dialect: the same words, in the shapes that providers send (tests/golden/wire names the
 * source of each). The shapes of streams are formats for printf: `piece` takes its sequence number, `ending` the whole
 * text (1) and its first sequence number (2) with the three after it (3 to 5).
 */

typedef struct {
    const char *path;
    const char *whole;   /* a whole answer */
    const char *opening; /* what a stream has before its first piece */
    const char *piece;
    const char *ending;
    int numbered_from;   /* the first piece's sequence number */
} Dialect;

#define WHOLE_TEXT "The parcel left the warehouse this morning and should arrive on Friday afternoon."
#define EVENT(name, data) "event: " name "\ndata: {\"type\":\"" name "\"" data "}\n\n"

#define CHUNK(delta, reason)                                                                                           \
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,"                    \
    "\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" reason "}]}\n\n"

#define MESSAGE(content, reason, output)                                                                               \
    "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-model\","                     \
    "\"content\":[" content "],\"stop_reason\":" reason ",\"stop_sequence\":null,\"usage\":{\"input_tokens\":24,"      \
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":" output ","                    \
    "\"service_tier\":\"standard\"}}"

#define RESPONSE(status, output, usage)                                                                                \
    "{\"id\":\"resp_bench\",\"object\":\"response\",\"created_at\":1790000000,\"status\":\"" status "\","              \
    "\"background\":false,\"error\":null,\"incomplete_details\":null,\"model\":\"bench-model\","                       \
    "\"output\":[" output "],\"usage\":" usage ",\"instructions\":null,\"max_output_tokens\":null,"                    \
    "\"max_tool_calls\":null,\"metadata\":{},\"parallel_tool_calls\":true,\"previous_response_id\":null,"              \
    "\"prompt_cache_key\":null,\"reasoning\":{\"effort\":null,\"summary\":null},\"safety_identifier\":null,"           \
    "\"service_tier\":\"default\",\"store\":false,\"temperature\":0.2,"                                                \
    "\"text\":{\"format\":{\"type\":\"text\"},\"verbosity\":\"medium\"},\"tool_choice\":\"auto\",\"tools\":[],"        \
    "\"top_logprobs\":0,\"top_p\":1.0,\"truncation\":\"disabled\",\"user\":null}"
#define PART(text) "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"" text "\"}"
#define ITEM(status, content)                                                                                          \
    "{\"id\":\"msg_bench\",\"type\":\"message\",\"status\":\"" status "\",\"role\":\"assistant\",\"content\":["        \
    content "]}"
#define COUNTED                                                                                                        \
    "{\"input_tokens\":24,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":15,"                        \
    "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":39}"
#define PLACE ",\"item_id\":\"msg_bench\",\"output_index\":0,\"content_index\":0"
#define NUMBER(n) ",\"sequence_number\":" n

static const Dialect DIALECTS[] = {
    {
        .path = "/messages",
        .whole = MESSAGE("{\"type\":\"text\",\"text\":\"" WHOLE_TEXT "\"}", "\"end_turn\"", "15"),
        .opening = EVENT("message_start", ",\"message\":" MESSAGE("", "null", "1"))
            EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
            EVENT("ping", ""),
        .piece = EVENT("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"word \"}"),
        .ending = EVENT("content_block_stop", ",\"index\":0")
            EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
                                   "\"usage\":{\"input_tokens\":24,\"cache_creation_input_tokens\":0,"
                                   "\"cache_read_input_tokens\":0,\"output_tokens\":15}")
            EVENT("message_stop", ""),
    },
    {
        .path = "/responses",
        .whole = RESPONSE("completed", ITEM("completed", PART(WHOLE_TEXT)), COUNTED),
        .opening = EVENT("response.created", ",\"response\":" RESPONSE("in_progress", "", "null") NUMBER("0"))
            EVENT("response.in_progress", ",\"response\":" RESPONSE("in_progress", "", "null") NUMBER("1"))
            EVENT("response.output_item.added", ",\"output_index\":0,\"item\":" ITEM("in_progress", "") NUMBER("2"))
            EVENT("response.content_part.added", PLACE ",\"part\":" PART("") NUMBER("3")),
        .piece = EVENT("response.output_text.delta",
                       PLACE ",\"delta\":\"word \",\"logprobs\":[],\"obfuscation\":\"xxxxxxxxxxx\"" NUMBER("%d")),
        .ending = EVENT("response.output_text.done", PLACE ",\"text\":\"%1$s\",\"logprobs\":[]" NUMBER("%2$d"))
            EVENT("response.content_part.done", PLACE ",\"part\":" PART("%1$s") NUMBER("%3$d"))
            EVENT("response.output_item.done",
                  ",\"output_index\":0,\"item\":" ITEM("completed", PART("%1$s")) NUMBER("%4$d"))
            EVENT("response.completed",
                  ",\"response\":" RESPONSE("completed", ITEM("completed", PART("%1$s")), COUNTED) NUMBER("%5$d")),
        .numbered_from = 4,
    },
    {
        .path = "", /* any other path */
        .whole = "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1790000000,"
                 "\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                 "\"content\":\"" WHOLE_TEXT "\"},\"finish_reason\":\"stop\"}],"
                 "\"usage\":{\"prompt_tokens\":24,\"completion_tokens\":15,\"total_tokens\":39}}",
        .opening = "",
        .piece = CHUNK("\"content\":\"word \"", "null"),
        .ending = CHUNK("", "\"stop\"") "data: [DONE]\n\n",
    },
};
enum { DIALECTS_COUNT = sizeof DIALECTS / sizeof *DIALECTS };
