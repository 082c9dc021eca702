/* SPDX-License-Identifier: Apache-2.0
 *
 * A provider of every dialect that costs almost nothing, so that what is measured is the gateway in front of it.
 * One thread, epoll, keep-alive, no pipelining; requests up to 64 KB.
 *
 *   upstream PORT [CHUNKS] [LATENCY_US] [GAP_US] [echo]
 *
 * With `echo` a whole answer's text is the system prompt that was sent (chat completions): what the model was really told.
 *
 * POST /v1/messages, /v1/responses, any other path
 *                   an Anthropic message, an OpenAI response, a chat completion after LATENCY_US; with "stream":true an
 *                   event stream of CHUNKS pieces, each written by its own send(), GAP_US apart, then its end in one more
 * GET (any path)    {"status":"ok"}
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "replies.h"

enum { REQUEST_MAX = 65536, CONNECTIONS_MAX = 4096, EVENTS_MAX = 256 };
#define SECOND 1000000000ull

/* What goes over the wire, made once in main. */
typedef struct {
    char *bytes;
    size_t size;
} Bytes;

/* A dialect's replies. */
typedef struct {
    Bytes whole, opening, ending, *pieces;
} Ready;

typedef struct {
    int fd;
    size_t size;
    bool waiting;   /* a reply is planned for `due` */
    bool streaming; /* the head of a stream was sent; `left` chunks are to come */
    bool stream;
    const Ready *reply;
    int left;
    uint64_t due;
    char request[REQUEST_MAX + 1];
} Connection;

static Connection *connections[CONNECTIONS_MAX];
static int highest_fd, planned;
static int chunks = 50;
static uint64_t latency_ns, gap_ns;
static bool echo;

static const char STREAM_HEAD[] =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

static Ready replies[DIALECTS_COUNT];
static Bytes health;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void drop(Connection *c) {
    connections[c->fd] = NULL;
    planned -= c->waiting;
    close(c->fd);
    free(c);
}

/* Send everything, waiting for room where there is none; return whether the connection still stands. */
static bool put(Connection *c, const char *content, size_t size) {
    while (size) {
        ssize_t done = send(c->fd, content, size, MSG_NOSIGNAL);
        if (done > 0) {
            content += done;
            size -= (size_t)done;
        } else if (errno == EAGAIN) {
            struct pollfd room = {.fd = c->fd, .events = POLLOUT};
            poll(&room, 1, 1000);
        } else {
            drop(c);
            return false;
        }
    }
    return true;
}

static void plan(Connection *c, uint64_t after_ns) {
    planned += !c->waiting;
    c->waiting = true;
    c->due = now() + after_ns;
}

static bool send_chunk(Connection *c) {
    Bytes next = c->left > 0 ? c->reply->pieces[chunks - c->left] : c->reply->ending;
    c->streaming = c->left-- > 0;
    return put(c, next.bytes, next.size);
}

static size_t with_length(char *out, size_t room, const char *body) {
    return (size_t)snprintf(out, room, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                            strlen(body), body);
}

/* Answer with the first system message, as it stands in the request's JSON. */
static void put_echo(Connection *c) {
    static const char ROLE[] = "\"role\":\"system\"", CONTENT[] = "\"content\":\"";
    char body[REQUEST_MAX + 512], whole[REQUEST_MAX + 1024];
    const char *role = strstr(c->request, ROLE), *from = role ? strstr(role, CONTENT) : NULL, *to = from ? from + sizeof CONTENT - 1 : "\"";
    const char *said = to;
    while (*to && *to != '"') to += *to == '\\' && to[1] ? 2 : 1;
    snprintf(body, sizeof body,
             "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1790000000,\"model\":\"bench-model\",\"choices\":[{"
             "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%.*s\"},\"finish_reason\":\"stop\"}]}", (int)(to - said), said);
    put(c, whole, with_length(whole, sizeof whole, body));
}

static Bytes made(const char *format, ...) {
    Bytes it;
    va_list values;
    va_start(values, format);
    it.size = (size_t)vasprintf(&it.bytes, format, values);
    va_end(values);
    return it;
}

/* A chunk of chunked coding (RFC 9112, 7.1) with this content, which is freed; none for no content. */
static Bytes chunked(Bytes content) {
    Bytes it = content.size ? made("%zx\r\n%s\r\n", content.size, content.bytes) : made("%s", "");
    free(content.bytes);
    return it;
}

static Ready ready_of(const Dialect *dialect) {
    Ready it = {.pieces = calloc((size_t)chunks + 1, sizeof(Bytes))};
    char whole[4096], *text = calloc((size_t)chunks + 1, sizeof "word ");
    it.whole.size = with_length(whole, sizeof whole, dialect->whole);
    it.whole.bytes = strdup(whole);
    Bytes opening = chunked(made("%s", dialect->opening));
    it.opening = made("%s%s", STREAM_HEAD, opening.bytes);
    free(opening.bytes);
    for (int i = 0; i < chunks; i++) {
        it.pieces[i] = chunked(made(dialect->piece, dialect->numbered_from + i));
        strcat(text, "word ");
    }
    int next = dialect->numbered_from + chunks;
    Bytes ending = chunked(made(dialect->ending, text, next, next + 1, next + 2, next + 3));
    it.ending = made("%s0\r\n\r\n", ending.bytes);
    free(ending.bytes);
    free(text);
    return it;
}

/* The replies of the dialect that is spoken on a request's path. */
static const Ready *spoken(const char *asked) {
    size_t line = strcspn(asked, "\r");
    for (int i = 0; i < DIALECTS_COUNT; i++) {
        const char *found = strstr(asked, DIALECTS[i].path);
        if (found && (size_t)(found - asked) < line) return replies + i;
    }
    return replies + DIALECTS_COUNT - 1;
}

/* Do what is due on this connection now: begin the reply, or send the stream's next piece. */
static void advance(Connection *c) {
    if (!c->stream) {
        if (echo) put_echo(c);
        else put(c, c->reply->whole.bytes, c->reply->whole.size);
        return;
    }
    if (!c->streaming) {
        c->streaming = true;
        c->left = chunks;
        if (!put(c, c->reply->opening.bytes, c->reply->opening.size)) return;
    }
    while (c->streaming) {
        if (!send_chunk(c)) return;
        if (gap_ns && c->streaming) {
            plan(c, gap_ns);
            return;
        }
    }
}

static void received(Connection *c, const char *body) {
    c->size = 0;
    if (!strncmp(c->request, "GET ", 4)) {
        put(c, health.bytes, health.size);
        return;
    }
    c->reply = spoken(c->request);
    c->stream = strstr(body, "\"stream\":true") || strstr(body, "\"stream\": true");
    if (latency_ns) plan(c, latency_ns);
    else advance(c);
}

static void readable(Connection *c) {
    ssize_t size = recv(c->fd, c->request + c->size, REQUEST_MAX - c->size, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
        drop(c);
        return;
    }
    c->size += (size_t)size;
    c->request[c->size] = 0;
    char *end = strstr(c->request, "\r\n\r\n");
    if (!end) return;
    char *body = end + 4;
    char *length = strcasestr(c->request, "\r\ncontent-length:");
    bool in_head = length && length < end;
    size_t expected = in_head ? strtoull(length + 17, NULL, 10) : 0;
    if (c->size - (size_t)(body - c->request) >= expected) received(c, body);
}

static void accept_all(int listener, int poll_fd) {
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        connections[fd] = c;
        if (fd > highest_fd) highest_fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

/* Run what is due and return the time of the next thing planned. A scan: there are few connections. */
static uint64_t run_due(void) {
    uint64_t next = UINT64_MAX, at = now();
    for (int fd = 0; planned && fd <= highest_fd; fd++) {
        Connection *c = connections[fd];
        if (!c || !c->waiting) continue;
        if (c->due <= at) {
            c->waiting = false;
            planned--;
            advance(c);
            c = connections[fd];
        }
        if (c && c->waiting && c->due < next) next = c->due;
    }
    return next;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: upstream PORT [CHUNKS] [LATENCY_US] [GAP_US] [echo]\n");
        return 2;
    }
    if (argc > 2) chunks = atoi(argv[2]);
    if (argc > 3) latency_ns = strtoull(argv[3], NULL, 10) * 1000;
    if (argc > 4) gap_ns = strtoull(argv[4], NULL, 10) * 1000;
    echo = argc > 5 && !strcmp(argv[5], "echo");
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < DIALECTS_COUNT; i++) replies[i] = ready_of(DIALECTS + i);
    char alive[256];
    health.size = with_length(alive, sizeof alive, "{\"status\":\"ok\"}");
    health.bytes = alive;

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) {
        perror("upstream");
        return 1;
    }
    int poll_fd = epoll_create1(0);
    struct epoll_event listening = {.events = EPOLLIN, .data.fd = listener}, ready[EVENTS_MAX];
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &listening);
    for (;;) {
        uint64_t next = run_due(), instant = now();
        uint64_t wait = next > instant ? next - instant : 0;
        struct timespec timeout = {.tv_sec = (time_t)(wait / SECOND), .tv_nsec = (long)(wait % SECOND)};
        int count = epoll_pwait2(poll_fd, ready, EVENTS_MAX, next == UINT64_MAX ? NULL : &timeout, NULL);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == listener) accept_all(listener, poll_fd);
            else if (connections[ready[i].data.fd]) readable(connections[ready[i].data.fd]);
        }
    }
}
