/**
 * Certificates at run time, by the same commands on Holdfast and on HAProxy 2.6 from the same files: the same answers,
 * and the same certificates shown to clients after each.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { cli } from '../fixtures/cli-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';

t.setTimeout(90_000);
const skip = skipUnlessHaproxy('2.6');
const FIXTURES = fileURLToPath(new URL('../fixtures/tls', import.meta.url));
const pem = (name: string): string => readFileSync(`${FIXTURES}/${name}`, 'latin1');

const CONFIG = `global
    stats socket \${dir}/cli.sock level admin
defaults
    mode http
    timeout connect 5s
    timeout server 5s
    timeout client 5s
frontend f
    bind 127.0.0.1:\${port1} ssl crt-list \${dir}/list.txt
    bind 127.0.0.1:\${port2} ssl crt \${dir}/a.pem ca-file \${dir}/a.crt verify optional
    http-request return status 200 content-type text/plain string x
backend b
    server s 127.0.0.1:1 ssl crt \${dir}/a.pem ca-file \${dir}/b.crt verify required
`;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n?/;
const KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----\n?/;
const [A, B] = [pem('a.pem'), pem('b.pem')];
const certificateOf = (text: string): string => CERTIFICATE.exec(text)?.[0].trim() ?? '';
const keyOf = (text: string): string => KEY.exec(text)?.[0].trim() ?? '';

function start(t: Teardown, program: 'holdfast' | 'haproxy'): Promise<Program> {
	return startProgram(t, {
		config: CONFIG,
		ports: 2,
		program,
		prepare(folder) {
			writeFileSync(join(folder, 'a.pem'), A);
			writeFileSync(join(folder, 'a.crt'), certificateOf(A));
			writeFileSync(join(folder, 'b.crt'), certificateOf(B));
			writeFileSync(join(folder, 'b.pem'), B);
			writeFileSync(
				join(folder, 'list.txt'),
				`# the first is the default\n${folder}/a.pem\n${folder}/b.pem [ssl-min-ver TLSv1.2] b.example !x.b.example\n`,
			);
		},
	});
}

/** The common name of the certificate that a client is shown, or `refused`. */
function shownTo(program: Program, servername: string, port = 1, options: tls.ConnectionOptions = {}): Promise<string> {
	return new Promise((resolve) => {
		const socket = tls.connect({
			host: '127.0.0.1',
			port: program.port(port),
			servername,
			rejectUnauthorized: false,
			...options,
		});
		socket.on('error', () => resolve('refused'));
		// A client that is refused for its certificate may learn it only after its own part of the handshake.
		socket.on('close', () => resolve('refused'));
		socket.on('secureConnect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
		socket.on('data', () => {
			resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? 'none');
			socket.destroy();
		});
	});
}

const COMMANDS: readonly string[] = [
	'show ssl cert',
	'show ssl cert DIR/a.pem',
	'show ssl cert /nope',
	'show ssl crt-list',
	'show ssl crt-list DIR/list.txt',
	'show ssl crt-list -n DIR/list.txt',
	'show ssl crt-list /nope',
	'show ssl crt-list -n',
	'show ssl ca-file DIR/a.crt',
	'show ssl ca-file DIR/a.crt:7',
	'show ssl ca-file /nope',
	'show ssl crl-file',
	'show tls-keys',
	'set ssl cert DIR/a.pem',
	`set ssl cert /nope <<\n${B.trim()}\n`,
	'set ssl cert DIR/a.pem <<\nrubbish\n',
	'commit ssl cert DIR/a.pem',
	'abort ssl cert DIR/a.pem',
	`set ssl cert DIR/a.pem <<\n${B.trim()}\n`,
	'show ssl cert',
	'show ssl cert *DIR/a.pem',
	'abort ssl cert DIR/b.pem',
	'commit ssl cert DIR/b.pem',
	'abort ssl cert DIR/a.pem',
	`set ssl cert DIR/a.pem.key <<\n${keyOf(B)}\n`,
	'commit ssl cert DIR/a.pem',
	'abort ssl cert DIR/a.pem',
	`set ssl cert DIR/b.pem <<\n${A.trim()}\n`,
	'commit ssl cert DIR/b.pem',
	'show ssl cert DIR/b.pem',
	'new ssl cert DIR/new.pem',
	'new ssl cert DIR/new.pem',
	`set ssl cert DIR/new.pem <<\n${B.trim()}\n`,
	'commit ssl cert DIR/new.pem',
	'show ssl cert DIR/new.pem',
	'add ssl crt-list DIR/list.txt DIR/new.pem',
	'add ssl crt-list DIR/list.txt DIR/nope.pem',
	'add ssl crt-list /nope DIR/new.pem',
	'add ssl crt-list DIR/list.txt',
	'add ssl crt-list DIR/list.txt <<\nDIR/new.pem [ssl-min-ver TLSv1.2] x.org *.y.org\n',
	'show ssl crt-list -n DIR/list.txt',
	'del ssl cert DIR/new.pem',
	'del ssl crt-list DIR/list.txt DIR/new.pem',
	'del ssl crt-list DIR/list.txt DIR/new.pem:4',
	'show ssl crt-list -n DIR/list.txt',
	'del ssl crt-list DIR/list.txt DIR/new.pem:5',
	'del ssl crt-list /nope DIR/new.pem',
	'del ssl cert DIR/new.pem',
	'del ssl cert DIR/nope.pem',
	'new ssl cert',
	'commit ssl cert',
	'abort ssl cert',
	'del ssl cert',
	`set ssl ca-file DIR/a.crt <<\n${certificateOf(B)}\n`,
	'commit ssl ca-file DIR/a.crt',
	'show ssl ca-file DIR/a.crt',
	'commit ssl ca-file DIR/a.crt',
	`set ssl ca-file /nope <<\n${certificateOf(B)}\n`,
	'set ssl ca-file DIR/a.crt <<\nrubbish\n',
	'new ssl ca-file x',
	'del ssl ca-file x',
	'del ssl ca-file DIR/a.crt',
	'new ssl crl-file x',
	'show ssl crl-file',
	'show ssl crl-file x',
	'del ssl crl-file x',
	'del ssl crl-file x',
];

/** After which commands clients look, and the names that they ask for. */
const NAMES = ['a.example', 'b.example', 'x.b.example', 'x.org', 'z.y.org', 'other.example'];

/** OpenSSL prints the authority's space, HAProxy a line of spaces, and the order of names in a dump of its own. */
const masked = (text: string, folder: string): string => text.replaceAll(folder, 'DIR').trimEnd();

t.test('the same commands: the same answers, the same certificates shown', { skip }, async (t) => {
	const programs = [await start(t, 'holdfast'), await start(t, 'haproxy')] as const;
	for (const command of COMMANDS) {
		const answers = await Promise.all(
			programs.map(async (program) => {
				const text = await cli(join(program.folder, 'cli.sock'), command.replaceAll('DIR', program.folder));
				return masked(text, program.folder);
			}),
		);
		const name = command.split('\n')[0] ?? '';
		t.equal(answers[0], answers[1], name);
		if (!/^(?:commit|add|del)/.test(command)) continue;
		const shown = await Promise.all(
			programs.map((program) => Promise.all(NAMES.map((servername) => shownTo(program, servername)))),
		);
		t.same(shown[0], shown[1], `certificates after ${name}`);
	}
	// A client's certificate from the authority that came by command is good now, the former one's is not.
	for (const [certificate, key] of [
		[certificateOf(B), keyOf(B)],
		[certificateOf(A), keyOf(A)],
	]) {
		const shown = await Promise.all(
			programs.map((program) => shownTo(program, 'a.example', 2, { cert: certificate, key, maxVersion: 'TLSv1.2' })),
		);
		t.equal(shown[0], shown[1], `client certificate, ${shown}`);
	}
});

t.test('an OCSP response beside the certificate is stapled, and changes at run time', async (t) => {
	const first = Buffer.from('a response in DER').toString('base64');
	const program = await startProgram(t, {
		config: CONFIG.replace(/\nbackend[\s\S]*/, '\n')
			.replace(/crt-list \S+/, 'crt ${dir}/a.pem')
			.replace(/ ca-file \S+ verify optional/, ''),
		ports: 2,
		prepare(folder) {
			writeFileSync(join(folder, 'a.pem'), A);
			writeFileSync(join(folder, 'a.pem.ocsp'), Buffer.from(first, 'base64'));
		},
	});
	const stapled = (): Promise<string> =>
		new Promise((resolve) => {
			const options: tls.ConnectionOptions & tls.CommonConnectionOptions = { host: '127.0.0.1', port: program.port() };
			const wants = { servername: 'a.example', rejectUnauthorized: false, requestOCSP: true };
			const socket = tls.connect({ ...options, ...wants });
			socket.on('OCSPResponse', (given) => {
				const response = given as Buffer | null;
				resolve(response === null ? 'none' : response.toString('base64'));
				socket.destroy();
			});
			socket.on('error', (error) => resolve(error.message));
		});
	t.equal(await stapled(), first);
	const second = Buffer.from('another one').toString('base64');
	const socket = join(program.folder, 'cli.sock');
	const path = join(program.folder, 'a.pem');
	t.match(await cli(socket, `set ssl cert ${path}.ocsp <<\n${second}\n`), /Transaction created/);
	t.match(await cli(socket, `commit ssl cert ${path}`), /Success!/);
	t.equal(await stapled(), second);
});

t.test('tickets of a shared key file are known to another node; keys change at run time', async (t) => {
	const keys = Array.from({ length: 3 }, (_, index) => Buffer.alloc(48, index + 1).toString('base64'));
	const config = CONFIG.replace(/\nbackend[\s\S]*/, '\n')
		.replace(/crt-list \S+/, 'crt ${dir}/a.pem tls-ticket-keys ${dir}/keys')
		.replace(/ ca-file \S+ verify optional/, '');
	const startOne = (): Promise<Program> =>
		startProgram(t, {
			config,
			ports: 2,
			prepare(folder) {
				writeFileSync(join(folder, 'a.pem'), A);
				writeFileSync(join(folder, 'keys'), `${keys.join('\n')}\n`);
			},
		});
	const [one, other] = [await startOne(), await startOne()];
	const connect = (program: Program, session?: Buffer): Promise<{ reused: boolean; session: Buffer | undefined }> =>
		new Promise((resolve, reject) => {
			const socket = tls.connect({
				host: '127.0.0.1',
				port: program.port(),
				servername: 'a.example',
				rejectUnauthorized: false,
				maxVersion: 'TLSv1.2',
				...(session === undefined ? {} : { session }),
			});
			socket.on('secureConnect', () => {
				resolve({ reused: socket.isSessionReused(), session: socket.getSession() });
				socket.destroy();
			});
			socket.on('error', reject);
		});
	const { session } = await connect(one);
	t.equal((await connect(other, session)).reused, true, 'the other node reads the ticket');
	const socket = join(other.folder, 'cli.sock');
	const path = join(other.folder, 'keys');
	t.match(await cli(socket, `set ssl tls-key ${path} ${Buffer.alloc(48, 9).toString('base64')}`), /updated/);
	t.match(await cli(socket, `set ssl tls-key ${path} ${Buffer.alloc(80, 9).toString('base64')}`), /wrong size/);
	t.equal((await cli(socket, 'show tls-keys #0')).split('\n').filter((line) => line.startsWith('0.')).length, 3);
	t.equal((await connect(other, session)).reused, false, 'the key that encrypts is another one now');
});
