/** Lines of `add server`; the messages of HAProxy 2.6 are compared in test/interop/dynamic-servers.test.ts. */
import t from 'tap';
import { newGlobal } from '../../lib/config/draft.js';
import { readDynamicServer } from '../../lib/config/dynamic-server.js';
import type { GlobalModel } from '../../lib/config/model.js';
import { backendModel, serverModel } from '../backend/support.js';

const global = {
	...newGlobal(),
	serverLineDefaults: { crtBase: undefined, caBase: '/ca', tls: { verify: 'none' } },
} as unknown as GlobalModel;
const proxy = backendModel([serverModel('s1'), serverModel('s3')]);
const taken = new Map([
	[1, 's1'],
	[3, 's3'],
]);
const read = (line: string, of = global) => readDynamicServer(line.split(' '), proxy, of, taken);

t.test('a server in maintenance with the lowest free number', async (t) => {
	t.match(read('n1 127.0.0.1:80 weight 7 maxconn 9 check inter 100'), {
		model: { name: 'n1', id: 2, idGiven: false, disabled: true, weight: 7, maxconn: 9, check: true, interMs: 100 },
	});
	t.match(read('n1 127.0.0.1:80 id 9'), { model: { id: 9, idGiven: true } });
	t.match(read('n1 [::1]:80 minconn 5'), { model: { maxconn: 5, minconn: 0, address: { family: 6 } } });
});

t.test('what is wrong is said', async (t) => {
	for (const [line, error] of [
		['n1', /expects <name> and <addr>/],
		['n1 127.0.0.1:80 id 3', "'id' : custom id 3 already used by server 's3'."],
		['n1 127.0.0.1:80 bogus', /unknown keyword 'bogus'/],
		['n1 127.0.0.1:80 wieght 3', /did you mean 'weight'/i],
		['n1 127.0.0.1:80 cookie a', "'cookie' option is not accepted for dynamic server"],
		['n1 127.0.0.1:80 weight', /'weight' expects an argument/],
		['n1 127.0.0.1:80 weight 300', /between 0 and 256/],
		['n1 127.0.0.1:99999', /port/],
		['n/1 127.0.0.1:80', /character '\/' is not permitted/],
		['n1 127.0.0.1:80 agent-check', /does not have agent port/],
	] as const) {
		t.match(read(line), { error }, line);
	}
});

t.test('TLS begins with the defaults of the configuration', async (t) => {
	t.match(read('n1 127.0.0.1:80 ssl'), { model: { tls: { verify: 'none' } } });
	t.match(read('n1 127.0.0.1:80 ssl verify required ca-file x.pem'), { model: { tls: { caFile: '/ca/x.pem' } } });
	const strict = { ...global, serverLineDefaults: { crtBase: undefined, caBase: undefined, tls: {} } };
	t.match(read('n1 127.0.0.1:80 ssl', strict), { error: /no CA file specified/ });
});
