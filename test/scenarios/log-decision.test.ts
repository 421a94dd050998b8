/**
 * `option log-decision`: the traffic log of a whole program says which rule ended a request, and which table, key
 * and value it saw.
 */
import net from 'node:net';
import t from 'tap';
import { request } from '../fixtures/http-client.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

/** Line numbers of the rules are those of this text, which begins with line 1. */
const CONFIG = `global
  nbthread 1
  log stdout format raw local0
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
  option httplog
  log global
backend rates
  stick-table type ip size 1k expire 1m store http_req_rate(1m),gpc0,gpt(2)
backend names
  stick-table type string len 32 size 1k expire 1m store gpc0,http_req_cnt
frontend with
  option log-decision
  bind 127.0.0.1:\${port1}
  http-request track-sc0 src table rates if { path_beg /rate }
  http-request track-sc1 hdr(x-name) table names if { hdr(x-name) -m found }
  acl noisy sc_http_req_rate(0) gt 1
  acl flagged src_get_gpc0(rates) gt 100
  http-request deny deny_status 429 if flagged or noisy
  http-request deny if { hdr(x-name),in_table(names) } { hdr(x-name),table_http_req_cnt(names) gt 0 } { path /name }
  http-request deny unless { path_beg /a /rate /name /none } || { sc1_get_gpc0 gt 7 }
  http-request set-var(txn.gpc) sc_inc_gpc0(1) if { path /name }
  http-request return status 200 if { path /always }
  http-request allow if { path /allowed }
  http-request redirect location /else if { path /name }
  default_backend refusing
backend refusing
  http-response deny
  http-request return status 204 hdr x-rate %[sc_http_req_rate(0)]
frontend without
  bind 127.0.0.1:\${port2}
  stats uri /stats
  http-request deny if { path /denied }
  http-request return status 200
frontend formats
  option log-decision
  bind 127.0.0.1:\${port3}
  log-format "%ST %{+Q}[decision] <%[decision_rule]> %[last_rule_line] %[decision_table] %[decision_key] %[decision_data] %[decision_value]"
  http-request track-sc0 src table rates
  http-request deny if { sc0_http_req_rate gt 0 } { path /denied }
  http-request return status 200
`;

/** What stands behind the last quote of the default format. */
const field = (line: string): string => line.slice(line.lastIndexOf('"') + 1);

t.test('the log says which rule ended a request and what it saw', async (t) => {
	const program = await startProgram(t, { config: CONFIG, ports: 3 });
	const file = program.configPath;
	let logged = 0;
	const ask = async (port: number, path: string, headers = {}): Promise<string> => {
		await request(program.port(port), path, { headers });
		return (await program.logged(++logged))[logged - 1] as string;
	};
	const rows: readonly (readonly [path: string, headers: Record<string, string>, decision: string])[] = [
		['/always', {}, ' FILE:26 http-request return'],
		['/rate', {}, ' FILE:32 http-request return'],
		// The first group saw a value too, the second one held.
		['/rate', {}, ' FILE:22 http-request deny table=rates key=127.0.0.1 http_req_rate=2'],
		['/allowed', {}, ' FILE:32 http-request return'],
		// Nothing was in the table when the rule looked.
		['/other', {}, ' FILE:24 http-request deny'],
		[
			'/name',
			{ 'x-name': 'a "b" =' },
			' FILE:23 http-request deny table=names key=a#20#22b#22#20= in_table=1 http_req_cnt=1',
		],
		['/other', { 'x-name': 'bob' }, ' FILE:24 http-request deny table=names key=bob gpc0=0'],
	];
	for (const [path, headers, decision] of rows) {
		const line = await ask(1, path, headers);
		t.equal(field(line), decision.replace('FILE', file), `${path} ${JSON.stringify(headers)}`);
	}
	// Without the option the line is HAProxy's.
	t.match(await ask(2, '/denied'), / 403 .*"GET \/denied HTTP\/1\.1"$/);
	t.match(await ask(2, '/'), / 200 .*"GET \/ HTTP\/1\.1"$/);
	const text = `${file}:43 http-request deny table=rates key=127.0.0.1 http_req_rate=3`;
	t.equal(await ask(3, '/denied'), `403 "${text}" <http-request deny> 43 rates 127.0.0.1 http_req_rate 3`);
	t.equal(await ask(3, '/'), `200 "${file}:44 http-request return" <http-request return> 44 - - - -`);
	t.equal(program.stderr.includes('ALERT'), false);
});

const TCP_CONFIG = `global
  nbthread 1
  log stdout format raw local0
defaults
  mode tcp
  timeout client 5s
  timeout server 5s
  timeout connect 5s
  retries 0
  option tcplog
  option log-decision
  log global
frontend f
  bind 127.0.0.1:\${port1}
  stick-table type ip size 1k expire 1m store conn_cnt
  tcp-request content track-sc0 src
  tcp-request content reject if { sc_conn_cnt(0) gt 1 }
  default_backend b
backend b
  server s 127.0.0.1:1
`;

t.test('connections in mode tcp', async (t) => {
	const program = await startProgram(t, { config: TCP_CONFIG, ports: 1 });
	const refused = ` ${program.configPath}:17 tcp-request content reject table=f key=127.0.0.1 conn_cnt=`;
	// The first visitor passes, and finds that the server is not there; the others are refused.
	const line = await waitFor('a connection to be refused', async () => {
		const socket = net.connect(program.port(), '127.0.0.1');
		socket.on('error', () => undefined).resume();
		await new Promise((resolve) => socket.on('close', resolve));
		return program.logLines.find((one) => one.includes(refused));
	});
	t.match(line.slice(line.indexOf(refused) + refused.length), /^\d+$/);
	t.match(program.logLines[0], / -$/, 'no rule ended the first one');
});
