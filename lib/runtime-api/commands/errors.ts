/**
 * `show errors [<iid>|<proxy>] [request|response]` (management guide, 9.3): the last message of each proxy that was refused
 * for its form, as bytes, with the byte that is wrong. HAProxy prints the state of its parser between them; here
 * stand the words for what is wrong.
 */
import type { CapturedMessage } from '../../stream/message-captures.js';
import { type Answer, type Command, fault, type Invocation } from '../command.js';
import { jsonText, takeJsonWord } from '../json.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** Bytes of a message in a line of the dump, at most. */
const LINE_BYTES = 70;

/** `[23/Nov/2026:04:35:08.041]`, local time. */
function captureDate(wallMs: number): string {
	const date = new Date(wallMs);
	const two = (n: number): string => String(n).padStart(2, '0');
	const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
	const day = `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}`;
	return `${day}:${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

async function showErrors(invocation: Invocation): Promise<Answer> {
	const { view } = invocation;
	const { words, json } = takeJsonWord(
		invocation.words[2] === 'json' ? ['show', 'errors', '', 'json'] : invocation.words,
	);
	const [which = '', direction] = words.slice(2);
	const isNumber = /^-?\d+$/.test(which);
	if (which !== '' && !isNumber && !view.model.proxies.some(({ name }) => name === which)) {
		return fault('No such proxy.');
	}
	const replies = await view.threads.ask({ ask: 'captures' });
	let total = 0;
	const latest = new Map<string, CapturedMessage>();
	for (const [thread, reply] of replies.entries()) {
		if (!('captures' in reply)) continue;
		total += reply.captureCount;
		for (const capture of reply.captures) {
			const key = `${capture.direction} ${capture.proxy}`;
			const known = latest.get(key);
			const event = capture.event * replies.length + thread;
			if (known === undefined || known.wallMs < capture.wallMs) latest.set(key, { ...capture, event });
		}
	}
	const isShown = ({ proxy, proxyId, other, otherId, direction: own }: CapturedMessage): boolean => {
		if (direction !== undefined && direction !== own) return false;
		if (which === '' || which === '-1') return true;
		return isNumber ? [proxyId, otherId].includes(Number(which)) : [proxy, other].includes(which);
	};
	// In the order of the proxies, a proxy's request before its response.
	const shown = [...latest.values()]
		.filter(isShown)
		.sort((a, b) => a.proxyId - b.proxyId || (a.direction < b.direction ? -1 : 1));
	if (json) return `${jsonText({ total, captures: shown })}\n`;
	return [`Total events captured on [${captureDate(view.clock.wallMs())}] : ${total}\n`, ...shown.map(captureText)];
}

function captureText(capture: CapturedMessage): string {
	const { direction, wallMs, event, proxy, proxyId, other, otherId, server, serverId, source, bytes } = capture;
	const own = direction === 'request' ? 'frontend' : 'backend';
	const others = direction === 'request' ? 'backend' : 'frontend';
	return [
		' ',
		`[${captureDate(wallMs)}] ${own} ${proxy} (#${proxyId}): invalid ${direction}`,
		`  ${others} ${other ?? '<NONE>'} (#${otherId}), server ${server ?? '<NONE>'} (#${serverId}), event #${event}, src ${source}`,
		`  len ${bytes.length}, error at position ${capture.position}: ${capture.reason}`,
		'  ',
		...dumpLines(bytes),
		'',
	].join('\n');
}

const ESCAPES: Readonly<Record<string, string>> = {
	'\t': '\\t',
	'\n': '\\n',
	'\r': '\\r',
	'\x1b': '\\e',
	'\\': '\\\\',
};

function escaped(char: string): string {
	const known = ESCAPES[char];
	if (known !== undefined) return known;
	if (char >= ' ' && char <= '~') return char;
	return `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** A line of the message in each, long ones in pieces that begin with `+`. */
function* dumpLines(bytes: string): Generator<string> {
	let isContinued = false;
	for (let at = 0; at < bytes.length; ) {
		let text = '';
		const start = at;
		while (at < bytes.length) {
			const next = escaped(bytes.charAt(at));
			if (text.length + next.length > LINE_BYTES) break;
			text += next;
			at++;
			if (bytes.charAt(at - 1) === '\n') break;
		}
		yield `  ${String(start).padStart(5, '0')}${isContinued ? '+' : ' '} ${text}`;
		isContinued = bytes.charAt(at - 1) !== '\n';
	}
}

export const ERROR_COMMANDS: readonly Command[] = [
	{
		words: ['show', 'errors'],
		level: 'operator',
		usage: 'show errors [<px>] [request|response]',
		help: 'the last refused request and response of each proxy, as bytes',
		run: showErrors,
	},
];
