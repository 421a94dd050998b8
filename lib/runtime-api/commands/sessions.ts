/**
 * Connections of clients (management guide, 9.3 `show sess`, `shutdown session`, `shutdown sessions server`). They live
 * in the data threads, which are asked; `show sess` asks for a page at a time, so that neither they nor this thread
 * hold a list of a hundred thousand.
 *
 * HAProxy prints the flags of its buffers and endpoints after each session; those have no counterpart here.
 */
import { type Answer, type Command, DONE, fault, type Invocation } from '../command.js';
import { jsonText, takeJsonWord } from '../json.js';
import type { RuntimeView, SessionRow } from '../runtime-view.js';
import { findServer } from './names.js';

const PAGE = 500;
/** A session's number and its thread's in one identifier. */
const THREADS_MAX = 1024;

interface ListedSession extends SessionRow {
	readonly thread: number;
}

const identifier = ({ id, thread }: ListedSession): string =>
	`0x${(id * THREADS_MAX + thread).toString(16).padStart(12, '0')}`;

/** `0x...`, as `show sess` prints it. */
function parseIdentifier(word: string): { readonly id: number; readonly thread: number } | undefined {
	if (!/^0x[0-9a-f]{1,13}$/i.test(word)) return undefined;
	const number = Number(word);
	return { id: Math.floor(number / THREADS_MAX), thread: number % THREADS_MAX };
}

async function* sessions(view: RuntimeView): AsyncGenerator<ListedSession> {
	const last: number[] = Array.from({ length: view.threads.count }, () => 0);
	for (let more = true; more; ) {
		more = false;
		// All threads get the same question, so the least of what they have told is where the next page begins.
		const afterId = Math.min(...last);
		const replies = await view.threads.ask({ ask: 'sessions', afterId, limit: PAGE });
		for (const [thread, reply] of replies.entries()) {
			if (!('sessions' in reply)) continue;
			const fresh = reply.sessions.filter(({ id }) => id > (last[thread] ?? 0));
			for (const row of fresh) yield { ...row, thread };
			const end = reply.sessions.at(-1)?.id;
			if (reply.sessions.length === PAGE && end !== undefined) {
				last[thread] = Math.max(last[thread] ?? 0, end);
				more = true;
			} else last[thread] = Number.MAX_SAFE_INTEGER;
		}
		if (replies.length < last.length) return;
	}
}

function ageText(ms: number): string {
	const seconds = Math.floor(ms / 1000);
	if (seconds < 60) return `${seconds}s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
	if (seconds < 86400) return `${Math.floor(seconds / 3600)}h${Math.floor(seconds / 60) % 60}m`;
	return `${Math.floor(seconds / 86400)}d${Math.floor(seconds / 3600) % 24}h`;
}

function sourceText({ source, sourcePort, protocol }: SessionRow): string {
	return protocol === 'unix_stream' ? 'unix' : `${source}:${sourcePort}`;
}

function line(row: ListedSession): string {
	const { protocol, frontend, backend = '<NONE>', server = '<none>', ageMs, requestCount, thread } = row;
	return `${identifier(row)}: proto=${protocol} src=${sourceText(row)} fe=${frontend} be=${backend} srv=${server} th=${thread + 1} age=${ageText(ageMs)} calls=${requestCount}\n`;
}

function details(row: ListedSession): string {
	const accepted = new Date(row.acceptedWallMs).toISOString();
	return [
		`${identifier(row)}: [${accepted}] id=${row.id} proto=${row.protocol} source=${sourceText(row)}`,
		`  thread=${row.thread + 1} age=${ageText(row.ageMs)} requests=${row.requestCount}`,
		`  frontend=${row.frontend}, listener=${row.listener ?? '?'}`,
		`  backend=${row.backend ?? '<NONE>'}`,
		`  server=${row.server ?? '<NONE>'}`,
		'',
	].join('\n');
}

async function* printed(view: RuntimeView, print: (row: ListedSession) => string): AsyncGenerator<string> {
	for await (const row of sessions(view)) yield print(row);
}

async function* printedJson(view: RuntimeView): AsyncGenerator<string> {
	let before = '[';
	for await (const row of sessions(view)) {
		yield before + jsonText({ ...row, ref: identifier(row) });
		before = ',';
	}
	yield before === '[' ? '[]\n' : ']\n';
}

async function showSess(invocation: Invocation): Promise<Answer> {
	const { view } = invocation;
	const { words, json } = takeJsonWord(invocation.words);
	if (json || words[2] === 'json') return printedJson(view);
	if (words[2] === undefined) return printed(view, line);
	if (words[2] === 'all') return printed(view, details);
	const wanted = parseIdentifier(words[2]);
	if (wanted === undefined) return fault("Session pointer expected (use 'show sess').");
	const replies = await view.threads.ask({ ask: 'sessions', afterId: wanted.id - 1, limit: 1 });
	const reply = replies[wanted.thread];
	const row = reply !== undefined && 'sessions' in reply ? reply.sessions[0] : undefined;
	return row?.id === wanted.id ? details({ ...row, thread: wanted.thread }) : fault('Session not found.');
}

async function shutdownSession({ words, view }: Invocation): Promise<Answer> {
	const wanted = parseIdentifier(words[2] ?? '');
	if (wanted === undefined) return fault("Session pointer expected (use 'show sess').");
	const replies = await view.threads.ask({ ask: 'shutdown-session', ...wanted });
	const count = replies.reduce((sum, reply) => sum + ('count' in reply ? reply.count : 0), 0);
	return count > 0 ? DONE : fault("No such session (use 'show sess').");
}

async function shutdownServerSessions({ words, view }: Invocation): Promise<Answer> {
	const named = findServer(view, words[3]);
	if ('severity' in named) return named;
	await view.threads.ask({
		ask: 'shutdown-server-sessions',
		backend: named.traffic.model.name,
		server: named.server.name,
	});
	return DONE;
}

export const SESSION_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'sess'],
		level: 'operator',
		usage: 'show sess [<id>|all]',
		help: 'connections of clients now, or one of them in detail',
		run: showSess,
	},
	{
		words: ['shutdown', 'session'],
		level: 'admin',
		usage: 'shutdown session <id>',
		help: "close the connection of a client (its id is that of 'show sess')",
		run: shutdownSession,
	},
	{
		words: ['shutdown', 'sessions', 'server'],
		level: 'admin',
		usage: 'shutdown sessions server <bk>/<srv>',
		help: 'close the connections of clients whose request is at a server',
		run: shutdownServerSessions,
	},
];
