/** `get var` and `set var`; the answers were read off HAProxy 2.6. */
import t from 'tap';
import { ask, createView } from './view.js';

const CONFIG = `
global
  set-var proc.configured int(3)
frontend f
  bind 127.0.0.1:1
`;

const ANSWERS = [
	['get var', 'Missing process-wide variable identifier.'],
	['get var proc.x', 'Variable not found.'],
	['get var proc.configured', 'proc.configured: type=sint value=<3>'],
	['set var proc.x int(5)', ''],
	['get var proc.x', 'proc.x: type=sint value=<5>'],
	['set var proc.x str(a b)', "'set var': arg type must be either 'expr' or 'fmt' but got 'str(a'."],
	['set var proc.x expr str(hello)', ''],
	['get var proc.x', 'proc.x: type=str value=<hello>'],
	['set var proc.y fmt %[var(proc.x)]abc', ''],
	['get var proc.y', 'proc.y: type=str value=<helloabc>'],
	['set var sess.x int(1)', "'set var': cannot set variable 'sess.x', only scope 'proc' is permitted here."],
	['get var sess.x', 'Variable not found.'],
	['set var proc.z bool(true)', ''],
	['get var proc.z', 'proc.z: type=bool value=<1>'],
	['set var proc.b bin(616263)', ''],
	['get var proc.b', 'proc.b: type=bin value=<abc>'],
	['set var proc.i str(1.2.3.4),ipmask(24)', ''],
	['get var proc.i', 'proc.i: type=ipv4 value=<1.2.3.0>'],
	['set var proc.j', "Missing either 'expr', 'fmt' or expression."],
	['get var proc.__proto__', 'Variable not found.'],
] as const;

t.test('as HAProxy answers', async (t) => {
	const test = createView(CONFIG);
	for (const [command, answer] of ANSWERS) t.equal((await ask(test, command)).trimEnd(), answer, command);
});

t.test('what cannot be set changes nothing', async (t) => {
	const test = createView(CONFIG);
	for (const wrong of ['nosuch', 'src', 'str(x),nosuch', 'expr int(1) and more', 'fmt %[src]', 'var(proc.none)']) {
		t.not(await ask(test, `set var proc.configured ${wrong}`), '', wrong);
		t.equal(await ask(test, 'get var proc.configured'), 'proc.configured: type=sint value=<3>\n');
	}
	t.match(await ask(test, 'set var proc.x nosuch'), /nosuch/);
	t.match(await ask(test, 'set var proc.x src'), /src|client address/);
	t.equal(await ask(test, 'get var proc.x', { level: 'user' }), 'Permission denied\n');
});
