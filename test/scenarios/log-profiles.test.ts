/** Log profiles, `log-steps` and `do-log` in a whole program: which lines a request leaves, in which words. */
import net from 'node:net';
import t from 'tap';
import { startEchoOrigin } from '../fixtures/echo-origin.js';
import { request } from '../fixtures/http-client.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const config = (origin: number): string => `
global
  nbthread 1
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
log-profile steps
  log-tag tagged
  on accept format "accept %OG %ci"
  on request format "request %OG %HP"
  on connect format "connect %OG %b/%s"
  on response format "response %OG %ST"
  on close format "close %OG %ST"
  on error format "error %OG"
  on http-req format "rule %OG"
log-profile rest
  on accept drop
  on any format "any %OG"
log-profile quiet
  on close drop
log-profile given
  on http-after-res format "given %OG" sd "[x@1 a=%{+E,+Q}HP]"
frontend f
  bind 127.0.0.1:\${port1}
  log-steps all
  log stdout format priority profile steps local0
  log stdout format priority profile rest local1
  log stdout format rfc5424 profile quiet local2
  log stdout format priority local3
  log-format "own %OG %ST"
  http-request do-log if { path /rule }
  http-after-response do-log profile given if { capture.req.uri /given }
  default_backend b
backend b
  server s 127.0.0.1:${origin}
frontend usual
  bind 127.0.0.1:\${port2}
  log stdout format priority profile steps local4
  log stdout format priority local5
  tcp-request connection do-log
  tcp-request content do-log
  http-request return status 200
frontend few
  bind 127.0.0.1:\${port3}
  option httplog
  log-steps request,response
  log stdout format priority profile steps local6
  http-request return status 200
`;

/** The lines so far, by facility: local0 is 134 and so on, the level being info. */
function linesOf(program: Program, local: number): string[] {
	const mark = `<${(16 + local) * 8 + 6}>`;
	return program.logLines.filter((line) => line.startsWith(mark)).map((line) => line.slice(mark.length));
}

t.test('every step, each profile', async (t) => {
	const origin = await startEchoOrigin('one');
	t.teardown(() => origin.close());
	const program = await startProgram(t, { config: config(origin.port), ports: 3 });
	await request(program.port(1), '/path');
	await program.logged(5 + 4 + 4 + 5);
	t.same(linesOf(program, 0), [
		'accept txn_accept 127.0.0.1',
		'request txn_request /path',
		'connect txn_connect b/s',
		'response txn_response 200',
		'close txn_close 200',
	]);
	t.same(linesOf(program, 1), ['any txn_request', 'any txn_connect', 'any txn_response', 'any txn_close']);
	t.same(
		linesOf(program, 2).map((line) => line.replace(/^.* - - /, '')),
		['own txn_accept -1', 'own txn_request -1', 'own txn_connect -1', 'own txn_response 200'],
	);
	t.same(linesOf(program, 3), [
		'own txn_accept -1',
		'own txn_request -1',
		'own txn_connect -1',
		'own txn_response 200',
		'own txn_close 200',
	]);

	// A rule has lines of its own, beside those of the steps.
	const before = program.logLines.length;
	await request(program.port(1), '/rule');
	await program.logged(before + 18 + 4);
	t.equal(linesOf(program, 0).filter((line) => line === 'rule http-req').length, 1);
	t.equal(linesOf(program, 1).filter((line) => line === 'any http-req').length, 1);
	t.equal(linesOf(program, 3).filter((line) => line === 'own http-req -1').length, 1);

	// A rule that names a profile: the same for every target.
	const soFar = program.logLines.length;
	await request(program.port(1), '/given');
	await program.logged(soFar + 18 + 4);
	for (const local of [0, 1, 3]) {
		t.equal(linesOf(program, local).filter((line) => line === 'given http-after-res').length, 1, `local${local}`);
	}
	t.match(
		linesOf(program, 2).filter((line) => line.includes('given')),
		[/ - \[x@1 a="\/given"\] given http-after-res$/],
	);
});

t.test('without log-steps only the end is logged; the default format', async (t) => {
	const program = await startProgram(t, { config: config(1), ports: 3 });
	await request(program.port(2), '/');
	await waitFor('lines', () => linesOf(program, 4).length >= 3 && linesOf(program, 5).length >= 3);
	t.same(
		linesOf(program, 4).map((line) => line.replace(/^127.*\]$/, 'place and date')),
		['place and date', 'place and date', 'close txn_close 200'],
	);
	t.match(linesOf(program, 5), [/^127.*\]$/, /^Connect from /, /^127.*\]$/]);
	// Bytes that are no request.
	const socket = net.connect(program.port(2), '127.0.0.1');
	socket.on('error', () => undefined);
	socket.write('bad\r\n\r\n');
	await waitFor('the error', () => linesOf(program, 4).includes('error sess_error'));
	socket.destroy();
});

t.test('log-steps may leave out the end', async (t) => {
	const program = await startProgram(t, { config: config(1), ports: 3 });
	await request(program.port(3), '/a');
	await request(program.port(3), '/b');
	await waitFor('both', () => linesOf(program, 6).length >= 2);
	t.same(linesOf(program, 6), ['request txn_request /a', 'request txn_request /b']);
});
