/**
 * Every log variable of the manual (8.2.6) with every flag, beside HAProxy: the same request through both programs, one log
 * line for each set of flags. What the clock and the system choose is masked by its shape.
 */
import net from 'node:net';
import t from 'tap';
import { LOG_ALIASES } from '../../lib/sample/log-aliases.js';
import { startEchoOrigin } from '../fixtures/echo-origin.js';
import { request } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { startProgram, type Teardown } from '../fixtures/program.js';

/** Holdfast has the variables of the manual of 2.6, and of later ones `OG`. */
const LATER = ['OG'];
const VARIABLES = [...LOG_ALIASES.keys()].filter((name) => !LATER.includes(name)).sort();
const HTTP_ONLY = [...LOG_ALIASES].filter(([, { httpOnly }]) => httpOnly).map(([name]) => name);
const FLAGS = ['', '{+Q}', '{+X}', '{+E}', '{+Q,+E}', '{+X,+Q}', '{+Q+X}', '{Q}', '{+E,+X}'];

/** Times, counters of time, ports, pids. */
const MASKS: ReadonlyMap<string, RegExp> = new Map([
	...['T', 'Tl', 't', 'tr', 'trg', 'trl'].map((name) => [name, /\d+|[A-Z][a-z]{2}/g] as const),
	...['Ta', 'Tc', 'Td', 'Th', 'Ti', 'Tq', 'TR', 'Tr', 'Ts', 'Tt', 'Tu', 'Tw', 'ms'].map(
		(name) => [name, /[\dA-F]+/g] as const,
	),
	...['cp', 'fp', 'bp', 'sp', 'pid', 'ID'].map((name) => [name, /[\dA-F]+/g] as const),
]);

const lines = (variables: readonly string[]): string[] =>
	FLAGS.flatMap((flags) => [
		variables.map((name) => `${name}=%${flags}${name}`).join(' '),
		...(flags === '' ? [] : [`%${flags}o ${variables.map((name) => `${name}=%${name}`).join(' ')}`]),
	]);

const config = (
	origin: number,
	formats: { readonly http: readonly string[]; readonly tcp: readonly string[] },
): string => `
global
  nbthread 1
  node the-node
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
  log stdout format raw local0
${formats.http
	.map(
		(format, index) => `frontend h${index}
  bind 127.0.0.1:\${port${index + 1}}
  unique-id-format %{+X}o%ci:%cp_%rt
  capture cookie SID len 20
  capture request header Host len 5
  capture request header X-Quote len 40
  capture response header Content-Type len 20
  log-format '${format}'
  default_backend b`,
	)
	.join('\n')}
${formats.tcp
	.map(
		(format, index) => `frontend t${index}
  mode tcp
  bind 127.0.0.1:\${port${formats.http.length + index + 1}}
  log-format '${format}'
  default_backend tb`,
	)
	.join('\n')}
backend b
  server s 127.0.0.1:${origin}
backend tb
  mode tcp
  server "s" 127.0.0.1:${origin}
`;

function masked(line: string): string {
	return line
		.split(/ (?=[A-Za-z]+=)/)
		.map((field) => {
			const [, name = '', value = ''] = /^(\w+)=(.*)$/s.exec(field) ?? [];
			const mask = MASKS.get(name);
			return mask === undefined ? field : `${name}=${value.replace(mask, '0').replace(/-0/g, '0')}`;
		})
		.join('\n');
}

async function observe(t: Teardown, program: 'haproxy' | 'holdfast', origin: number): Promise<string[]> {
	const http = lines(VARIABLES);
	const tcp = lines(VARIABLES.filter((name) => !HTTP_ONLY.includes(name)));
	const running = await startProgram(t, {
		config: config(origin, { http, tcp }),
		ports: http.length + tcp.length,
		program,
	});
	const seen: string[] = [];
	for (const index of http.keys()) {
		const headers = { host: 'example.org', cookie: 'SID=abc; x=y', 'x-quote': 'a "b" \\ ] {c|d} #' };
		await request(running.port(index + 1), '/pa"th]?que\\ry=1', { headers });
		seen.push(masked((await running.logged(seen.length + 1))[seen.length] ?? ''));
	}
	for (const index of tcp.keys()) {
		const socket = net.connect(running.port(http.length + index + 1), '127.0.0.1');
		socket.on('error', () => undefined).resume();
		socket.end('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
		seen.push(masked((await running.logged(seen.length + 1))[seen.length] ?? ''));
	}
	// Bytes that are no request. HAProxy counts these elsewhere (`%rt`), and gives them no identity; and other connections are just going (`%ac`, `%fc`).
	for (const index of http.keys()) {
		const socket = net.connect(running.port(index + 1), '127.0.0.1');
		socket.on('error', () => undefined).resume();
		socket.write('GARBAGE\r\n\r\n');
		const line = masked((await running.logged(seen.length + 1))[seen.length] ?? '');
		seen.push(line.replace(/^(?:ID|rt|ac|fc)=.*\n/gm, ''));
	}
	await running.stop();
	return seen;
}

t.test('log variables and flags', { skip: skipUnlessHaproxy('2.6'), timeout: 60_000 }, async (t) => {
	const origin = await startEchoOrigin('one');
	t.teardown(() => origin.close());
	const [theirs, ours] = await Promise.all([observe(t, 'haproxy', origin.port), observe(t, 'holdfast', origin.port)]);
	t.equal(ours.length, theirs.length);
	for (const [index, line] of theirs.entries()) t.equal(ours[index], line, `line ${index}`);
});
