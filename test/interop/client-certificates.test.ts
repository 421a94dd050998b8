/**
 * Who may come with which certificate, in Holdfast and in HAProxy 2.6 from the same conf file: every way to ask for one and
 * to ignore what is wrong with it, with good and bad ones, and when sessions are resumed. Where HAProxy 2.6 lets a session
 * of one certificate's name pass at another's, which asks for a certificate, Holdfast does not.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { accepts } from '../fixtures/ports.js';
import { type Program, startProgram, type Teardown } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(120_000);
const skip = skipUnlessHaproxy('2.6');
const FOLDER = fileURLToPath(new URL('../fixtures/tls', import.meta.url));
const REQUEST = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';

const WAYS = [
	'verify required',
	'verify optional',
	'verify optional ca-ignore-err all crt-ignore-err all',
	'verify required ca-ignore-err all crt-ignore-err all',
	'verify optional crt-ignore-err all',
	'verify optional ca-ignore-err all',
	'verify optional crt-ignore-err 10',
	'verify optional crt-ignore-err 18',
	'verify optional crt-ignore-err 20,21',
	'verify optional crt-ignore-err 10,20,21 ca-ignore-err 19,20',
	`verify required ca-verify-file ${FOLDER}/clients/stranger.pem`,
] as const;
const NONE = WAYS.length + 1;
const LISTED = WAYS.length + 2;

const CONFIG = `defaults
    mode http
    log stdout format raw local0
    option httplog
    option dontlog-normal
    timeout connect 5s
    timeout server 5s
    timeout client 5s
frontend f
${WAYS.map((way, index) => `    bind 127.0.0.1:\${port${index + 1}} ssl crt ${FOLDER}/a.pem ca-file ${FOLDER}/clients/root.pem ${way}`).join('\n')}
    bind 127.0.0.1:\${port${NONE}} ssl crt ${FOLDER}/a.pem
    bind 127.0.0.1:\${port${LISTED}} ssl crt-list \${dir}/list
    http-request return status 200 content-type text/plain lf-string "used %[ssl_c_used] has %[ssl_fc_has_crt] verify %[ssl_c_verify] err %[ssl_c_err] ca %[ssl_c_ca_err] depth %[ssl_c_ca_err_depth] cn %[ssl_c_s_dn(cn)] resumed %[ssl_fc_is_resumed] %[ssl_fc_protocol]"
`;

const LIST = `${FOLDER}/a.pem open.example
${FOLDER}/a.pem [verify required ca-file ${FOLDER}/clients/root.pem] closed.example
${FOLDER}/a.pem [ssl-min-ver TLSv1.3] new.example
`;

const CERTIFICATES = ['', 'good', 'stranger', 'expired', 'self', 'lonely', 'chain'] as const;

interface Answer {
	readonly text: string;
	readonly session: Buffer | undefined;
	/** The alert that the client was told, in OpenSSL's word. */
	readonly alert: string | undefined;
}

/** The body of the answer; `refused` for any alert or closed connection. */
function ask(program: Program, port: number, options: tls.ConnectionOptions): Promise<Answer> {
	return new Promise((resolve) => {
		let text = '';
		let session: Buffer | undefined;
		let alert: string | undefined;
		const where = { host: '127.0.0.1', port: program.port(port), rejectUnauthorized: false };
		const socket = tls.connect({ ...where, ...options }, () => socket.write(REQUEST));
		socket.on('session', (given) => {
			session = given;
		});
		socket.on('data', (chunk) => {
			text += chunk.toString('latin1');
		});
		socket.on('error', (error: NodeJS.ErrnoException) => {
			alert ??= error.code;
		});
		socket.on('close', () => resolve({ text: text.split('\r\n\r\n')[1] ?? 'refused', session, alert }));
	});
}

function shown(name: string): tls.ConnectionOptions {
	if (name === '') return {};
	const pem = readFileSync(`${FOLDER}/clients/${name}.pem`);
	return { cert: pem, key: pem };
}

/** Each way and each certificate, first and resumed. */
async function play(program: Program, version: tls.SecureVersion): Promise<Record<string, string>> {
	const found: Record<string, string> = {};
	for (const [index, way] of WAYS.entries()) {
		for (const name of CERTIFICATES) {
			const options = { ...shown(name), minVersion: version, maxVersion: version };
			const first = await ask(program, index + 1, options);
			found[`${version} ${way}, ${name || 'none'}`] = first.text;
			if (first.session === undefined || first.text === 'refused') continue;
			const { text } = await ask(program, index + 1, { ...options, session: first.session });
			found[`${version} ${way}, ${name || 'none'}, resumed`] = text;
		}
	}
	return found;
}

async function start(t: Teardown, program: 'holdfast' | 'haproxy'): Promise<Program> {
	const started = await startProgram(t, {
		config: CONFIG,
		ports: LISTED,
		program,
		prepare: (folder) => writeFileSync(join(folder, 'list'), LIST),
	});
	await waitFor('the last line to be listened on', () => accepts(started.port(LISTED)));
	return started;
}

t.test('clients with certificates, good and bad', { skip }, async (t) => {
	const [holdfast, haproxy] = [await start(t, 'holdfast'), await start(t, 'haproxy')];
	// With TLS 1.3 the same is decided by the same code; one round of 1.2 tells what both do with a session's id and ticket.
	for (const version of ['TLSv1.2'] as const) {
		t.strictSame(await play(holdfast, version), await play(haproxy, version), version);
	}
	const good = await ask(holdfast, 1, { ...shown('good'), minVersion: 'TLSv1.3' });
	t.match(good.text, /^used 1 .* cn alice resumed 0 TLSv1\.3$/, 'and with TLS 1.3');
	for (const name of ['', 'stranger', 'expired', 'self', 'lonely']) {
		t.equal((await ask(holdfast, 1, { ...shown(name), minVersion: 'TLSv1.3' })).text, 'refused', `1.3: ${name}`);
	}
});

/** What is logged of a handshake that fails, without who and when. */
const failures = (program: Program): readonly string[] =>
	program.logLines.map((line) => / (f\/\d+: .*)$/.exec(line)?.[1] ?? '').filter((line) => line !== '');

t.test('the handshake itself fails with the alert of the reason', { skip }, async (t) => {
	const programs = [await start(t, 'holdfast'), await start(t, 'haproxy')] as const;
	let refused = 0;
	for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
		// Suites of each hash, key and tag.
		const suites =
			version === 'TLSv1.2'
				? ['ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256']
				: ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
		for (const ciphers of suites) {
			for (const [port, name] of [1, 2].flatMap((one) => CERTIFICATES.map((name) => [one, name] as const))) {
				const options = { ...shown(name), minVersion: version, maxVersion: version, ciphers };
				const [ours, theirs] = await Promise.all(programs.map((program) => ask(program, port, options)));
				const what = `${ciphers}, ${WAYS[port - 1]}, ${name || 'none'}`;
				t.equal(ours?.text, theirs?.text, what);
				t.equal(ours?.alert, theirs?.alert, `${what}: ${theirs?.alert}`);
				if (theirs?.text === 'refused') refused++;
			}
		}
	}
	await waitFor('all failures to be logged', () => programs.every((one) => failures(one).length >= refused));
	t.strictSame(failures(programs[0]), failures(programs[1]), 'the log lines');
});

t.test('a session begun where nobody is asked for a certificate is no way in where one is', async (t) => {
	const program = await start(t, 'holdfast');
	for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
		const options = { minVersion: version, maxVersion: version };
		const open = await ask(program, NONE, options);
		const again = await ask(program, NONE, { ...options, session: open.session });
		t.match(again.text, /resumed 1/, `${version}: it is resumed where it began`);
		t.equal((await ask(program, 1, { ...options, session: open.session })).text, 'refused', `${version}: another line`);
		const named = await ask(program, LISTED, { ...options, servername: 'open.example' });
		t.match(named.text, /used 0/);
		const other = await ask(program, LISTED, { ...options, servername: 'closed.example', session: named.session });
		t.equal(other.text, 'refused', `${version}: another name`);
		const good = await ask(program, LISTED, { ...options, ...shown('good'), servername: 'closed.example' });
		t.match(good.text, /used 1 has 1 .* cn alice/, `${version}: with a certificate`);
	}
});

t.test('a line of a list chooses the versions for its name', async (t) => {
	const program = await start(t, 'holdfast');
	const answer = (servername: string, maxVersion: tls.SecureVersion) =>
		ask(program, LISTED, { servername, maxVersion }).then(({ text }) => text);
	t.match(await answer('open.example', 'TLSv1.2'), /TLSv1\.2$/);
	t.equal(await answer('new.example', 'TLSv1.2'), 'refused');
	t.match(await answer('new.example', 'TLSv1.3'), /TLSv1\.3$/);
});
