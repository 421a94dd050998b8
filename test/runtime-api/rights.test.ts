/** Who may do what: no command below its level does anything, or says anything but that. */
import t from 'tap';
import { LEVELS, type Level, levelAllows } from '../../lib/runtime-api/command.js';
import { createRegistry } from '../../lib/runtime-api/commands/index.js';
import { ask, createView, newState } from './view.js';

const CONFIG = `
global
  stats socket /run/h.sock level admin
defaults
  mode http
  timeout client 1s
  timeout server 1s
  timeout connect 1s
backend t
  stick-table type ip size 100 store gpc0
frontend f
  bind :8080
  http-request set-header x %[hdr(host),map(/m.map)]
  http-request deny if { src -f /a.lst }
  default_backend b
backend b
  server s 127.0.0.1:80
`;
const DISK = new Map([
	['/m.map', 'k v\n'],
	['/a.lst', '10.0.0.1\n'],
]);

/** HAProxy's manual, 9.3: what each level may. Written out, so that a new command is thought about. */
const EXPECTED: Readonly<Record<Level, string>> = {
	user: `get acl; get map; get weight; lb-update list; lb-update status; operator; set severity-output; set timeout; show acl; show activity;
		show aggregations; show backend; show cli level; show cli sockets; show info; show map; show peers; show resolvers;
		show schema json; show servers conn; show servers state; show stat; show table; show version; user; wait`,
	operator: `add acl; add map; clear acl; clear counters; clear map; clear table; commit acl; commit map; del acl; del map;
		get var; prepare acl; prepare map; set map; set table; show cache; show env; show errors; show events; show sess; show ssl ocsp-response;
		show startup-logs; show threads`,
	admin: `abort ssl ca-file; abort ssl cert; abort ssl crl-file; add server; add ssl ca-file; add ssl crt-list;
		commit ssl ca-file; commit ssl cert; commit ssl crl-file; del server; del ssl ca-file; del ssl cert; del ssl crl-file;
		del ssl crt-list; disable agent; disable frontend; disable health; disable server; enable agent; enable frontend;
		enable health; enable server; lb-update force-update; new ssl ca-file; new ssl cert; new ssl crl-file; set log-level; set maxconn frontend;
		set maxconn global; set maxconn server; set rate-limit; set server; set ssl ca-file; set ssl cert; set ssl crl-file;
		set ssl ocsp-response; set ssl tls-key; set var; set weight; show ssl ca-file; show ssl cert; show ssl crl-file; show ssl crt-list;
		show tls-keys; shutdown frontend; shutdown session; shutdown sessions server`,
};

t.test('each command has the level that the manual gives it', (t) => {
	for (const level of LEVELS) {
		const found = createRegistry()
			.commands.filter((command) => command.level === level && command.hidden !== true)
			.map(({ words }) => words.join(' '))
			.sort();
		t.strictSame(found, EXPECTED[level].split(/;\s+/).sort(), level);
	}
	t.end();
});

t.test('below its level a command says only that, whatever follows', async (t) => {
	const test = createView(CONFIG, DISK);
	for (const command of createRegistry().commands) {
		for (const level of LEVELS.filter((one) => !levelAllows(one, command.level))) {
			for (const tail of ['', ' b/s state maint', ' t key 1.2.3.4 data.gpc0 1', ' nosuch', ' #0 x y']) {
				const line = `${command.words.join(' ')}${tail}`;
				t.equal(await ask(test, line, { level }), 'Permission denied\n', `${level}: ${line}`);
			}
		}
	}
	t.strictSame(test.told, [], 'no data thread was told anything');
	t.equal(test.view.tables.get('t')?.usedCount(), 0, 'no entry was made');
});

t.test('a user sees how full tables are, and nothing of what is in them', async (t) => {
	const test = createView(CONFIG, DISK);
	await ask(test, 'set table t key 1.2.3.4 data.gpc0 7');
	const header = '# table: t, type: ip, size:100, used:1\n';
	const user = { level: 'user' } as const;
	t.equal(await ask(test, 'show table', user), header);
	const hidden = `${header}# contents not dumped due to insufficient privileges\n`;
	t.equal(await ask(test, 'show table t', user), hidden);
	t.equal(await ask(test, 'show table t data.gpc0 gt 0', user), hidden);
	t.equal(await ask(test, 'show table t top 3 by gpc0', user), hidden);
	t.equal(await ask(test, 'show table t key 1.2.3.4', user), 'Permission denied\n');
	t.equal(await ask(test, 'show table t ptr 0x1', user), 'Permission denied\n');
	t.notMatch(await ask(test, 'show table t json', user), /1\.2\.3\.4/);
	t.notMatch(await ask(test, 'show stat', user), /127\.0\.0\.1/, 'addresses are for operators');
	t.match(await ask(test, 'show stat', { level: 'operator' }), /127\.0\.0\.1:80/);
});

t.test('an operator may set maxima back, but not the counters', async (t) => {
	const test = createView(CONFIG, DISK);
	t.equal(await ask(test, 'clear counters', { level: 'operator' }), '');
	t.equal(await ask(test, 'clear counters all', { level: 'operator' }), 'Permission denied\n');
	t.equal(await ask(test, 'clear counters all'), '');
});

t.test('a level can be lowered, and never raised again', async (t) => {
	const test = createView(CONFIG, DISK);
	const state = newState('admin');
	t.equal(await ask(test, 'show cli level', { state }), 'admin\n');
	await ask(test, 'operator', { state });
	t.equal(await ask(test, 'set server b/s state maint', { state }), 'Permission denied\n');
	await ask(test, 'user', { state });
	t.equal(await ask(test, 'operator', { state }), 'Permission denied\n');
	t.equal(await ask(test, 'show env', { state }), 'Permission denied\n');
	t.equal(await ask(test, 'show cli level', { state }), 'user\n');
});
