/**
 * Conf files as HAProxy's users have them, unchanged, under both programs: the same origins, the same requests;
 * what clients and origins see and what is logged must be the same, byte for byte but for what the clock and the system
 * choose. One loop runs them all: a case is `confs/<name>.cfg` and `confs/<name>.requests` (conf-script.ts).
 *
 * In a conf file `${port1}` is a port to listen on, `${origin1}` .. `${origin3}` are origins, `${dead}` is a port where
 * nobody listens, `${syslog}` a UDP port that is read as the log, and `/etc/haproxy` the folder confs/files.
 */
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync } from 'node:fs';
import type net from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parseScript, play, type Script } from '../fixtures/conf-script.js';
import { startEchoOrigin } from '../fixtures/echo-origin.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';

const CONFS = fileURLToPath(new URL('../fixtures/confs/', import.meta.url));
const only = process.env.CONF_FILE;
const names = readdirSync(CONFS)
	.filter((name) => name.endsWith('.cfg'))
	.map((name) => name.slice(0, -4))
	.filter((name) => only === undefined || name === only);

t.setTimeout(120_000);

interface Surroundings {
	readonly originPorts: readonly number[];
	readonly deadPort: number;
}

t.test('conf files run unchanged and log the same lines', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const origins = await Promise.all(['one', 'two', 'three'].map((name) => startEchoOrigin(name)));
	// One after the other: windows of rates and timeouts are real time.
	t.jobs = 1;
	t.teardown(() => Promise.all(origins.map((origin) => origin.close())));
	const [deadPort = 0] = await freePorts(1);
	const surroundings = { originPorts: origins.map((origin) => origin.port), deadPort };
	const cases = names.map((name) =>
		t.test(name, async (t) => {
			const script = parseScript(readFileSync(`${CONFS}${name}.requests`, 'latin1'));
			const text = readFileSync(`${CONFS}${name}.cfg`, 'latin1');
			const [theirs, ours] = await Promise.all([
				observe(t, text, script, surroundings, 'haproxy'),
				observe(t, text, script, surroundings, 'holdfast'),
			]);
			for (const [index, expected] of theirs.answers.entries()) {
				t.equal(ours.answers[index], expected, theirs.titles[index] ?? '');
			}
			t.same(ours.log, theirs.log, 'log lines');
		}),
	);
	await Promise.all(cases);
});

interface Observation {
	readonly titles: readonly string[];
	readonly answers: readonly string[];
	readonly log: readonly string[];
}

async function observe(
	t: Teardown,
	text: string,
	script: Script,
	surroundings: Surroundings,
	program: 'haproxy' | 'holdfast',
): Promise<Observation> {
	const syslog = await readSyslog(t);
	const config = text
		.replaceAll('/etc/haproxy', `${CONFS}files`)
		.replace(/\$\{origin(\d)\}/g, (_, n: string) => String(surroundings.originPorts[Number(n) - 1]))
		.replaceAll('${dead}', String(surroundings.deadPort))
		.replaceAll('${syslog}', String(syslog.port));
	// One thread, so that the order of log lines is that of the requests.
	const oneThread = join(CONFS, 'one-thread.inc');
	const ports = Math.max(...[...text.matchAll(/\$\{port(\d+)\}/g)].map((match) => Number(match[1])));
	const args = ['-db', '-f', oneThread];
	const running = await startProgram(t, { config, ports, program, args, env: script.env });
	const answers = await play(script, running);
	// A soft stop ends when all is answered and logged.
	await running.stop('SIGUSR1');
	const mask = masker(script, running, surroundings);
	return {
		titles: script.requests.flatMap((request) => new Array(request.parallel ? 1 : request.repeat).fill(request.title)),
		answers: answers.map((answer) => mask(comparable(answer))),
		log: [...syslog.lines, ...running.logLines].filter((line) => !OF_THE_PROGRAM.test(line)).map(mask),
	};
}

/** Messages on the program itself rather than its traffic. */
const OF_THE_PROGRAM = /Proxy \S+ (?:started|stopped)|(?:Stopping|Starting) (?:frontend|backend|proxy)/;

/** Names of fields in lower case and in order, values of one name in the order they came; the rest as it came. */
function comparable(answer: string): string {
	return answer
		.split(/(?=HTTP\/1\.[01] \d{3})/)
		.map((message) => {
			const [head = '', ...body] = message.split('\r\n\r\n');
			const [start = '', ...fields] = head.split('\r\n');
			const lowered = fields.map((field) => field.replace(/^[^:]+/, (name) => name.toLowerCase()));
			const nameOf = (field: string) => field.slice(0, field.indexOf(':'));
			lowered.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0));
			return [start, ...lowered, '', body.join('\r\n\r\n')].join('\n');
		})
		.join('');
}

function masker(script: Script, program: Program, surroundings: Surroundings): (text: string) => string {
	const known = new Map<string, string>([
		...program.ports.map((port, index) => [String(port), `port${index + 1}`] as const),
		...surroundings.originPorts.map((port, index) => [String(port), `origin${index + 1}`] as const),
		[String(surroundings.deadPort), 'dead'],
	]);
	return (text) => {
		let masked = text
			.replaceAll(program.folder, '(dir)')
			.replace(/\b(127\.0\.0\.\d+|localhost):(\d{4,5})\b/g, (_, host: string, port: string) => {
				return `${host}:${known.get(port) ?? 'PORT'}`;
			})
			.replace(/\[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d(?:\.\d+)?(?: [+-]\d{4})?\]/g, '[DATE]')
			.replace(/\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/g, 'DATE')
			// Timers: five numbers of which some may be -1; what matters is which.
			.replace(/ \+?-?\d+(?:\/\+?-?\d+){4} (?=(?:\d{3}|-1) )/g, (timers) => timers.replace(/(?<!-)\b\d+/g, 'T'))
			// Connections of the process and of the frontend: the one before may still be closing.
			.replace(/ \d+\/\d+(\/\d+\/\d+\/\+?\d+ \d+\/\d+ )/g, ' N/N$1');
		for (const [pattern, replacement] of script.masks) masked = masked.replace(pattern, replacement);
		return masked;
	};
}

/** What comes to a UDP port, as text. */
async function readSyslog(t: Teardown): Promise<{ readonly port: number; readonly lines: string[] }> {
	const lines: string[] = [];
	const socket = createSocket('udp4');
	socket.on('message', (bytes) => lines.push(bytes.toString('latin1').trimEnd()));
	await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
	const { port } = socket.address() as net.AddressInfo;
	t.teardown(() => {
		socket.close();
	});
	return { port, lines };
}
