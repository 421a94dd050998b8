/** Forms of `show stat` and `show info` that hold whatever HAProxy is installed; interop compares the values. */
import t from 'tap';
import { ask, createView } from './view.js';

const DEFAULTS = `
global
  maxconn 100
defaults
  mode http
  timeout client 1s
  timeout server 1s
  timeout connect 1s
`;

/** Management guide, 9.1: programs read the CSV by position. */
const FIRST_COLUMNS =
	'# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,check_status,';

t.test('columns stand where the manual puts them', async (t) => {
	const test = createView(`${DEFAULTS}\nbackend b\n  server s 127.0.0.1:80\n`);
	const [head = '', server = ''] = (await ask(test, 'show stat')).split('\n');
	t.ok(head.startsWith(FIRST_COLUMNS));
	const names = head.slice(2).split(',');
	t.strictSame(
		[39, 48, 73, 79, 94, 99].map((index) => names[index]),
		['hrsp_1xx', 'req_tot', 'addr', 'conn_tot', 'eint', 'uweight'],
	);
	t.equal(server.split(',').length, names.length);
});

t.test('filters', async (t) => {
	const test = createView(`${DEFAULTS}
listen one
  bind :8081
  server a 127.0.0.1:80
  server b 127.0.0.1:80 disabled
backend two
  server c 127.0.0.1:80
`);
	const rows = async (filter: string): Promise<string[]> =>
		(await ask(test, `show stat ${filter}`))
			.trim()
			.split('\n')
			.slice(1)
			.map((line) => line.split(',').slice(0, 2).join('/'));
	const everything = ['one/FRONTEND', 'one/a', 'one/b', 'one/BACKEND', 'two/c', 'two/BACKEND'];
	t.strictSame(await rows(''), everything);
	t.strictSame(await rows('-1 -1 -1'), everything);
	t.strictSame(await rows('one 4 -1'), ['one/a', 'one/b']);
	t.strictSame(await rows('-1 4 1'), ['one/a', 'two/c']);
	t.strictSame(await rows('3 3 -1'), ['two/BACKEND']);
	t.strictSame(await rows('-1 4 -1 up'), ['one/a', 'two/c']);
	t.equal(await ask(test, 'show stat nosuch 1 1'), 'No such proxy.\n');
	t.equal(
		await ask(test, 'show stat domain resolvers'),
		"Invalid statistics domain 'resolvers': only 'proxy' is known.\n",
	);
});

t.test('json and typed carry the same values', async (t) => {
	const test = createView(`${DEFAULTS}\nbackend b\n  server s 127.0.0.1:80\n`);
	const typed = (await ask(test, 'show stat typed')).trim().split('\n');
	const json = (
		JSON.parse(await ask(test, 'show stat json')) as {
			objType: string;
			proxyId: number;
			id: number;
			field: { pos: number; name: string };
			value: { type: string; value: unknown };
		}[][]
	).flat();
	t.strictSame(
		json.map(
			({ objType, proxyId, id, field, value }) =>
				`${objType[0]}.${proxyId}.${id}.${field.pos}.${field.name} ${value.type} ${value.value}`,
		),
		typed.map((line) => line.replace(/^(.*)\.1:...:(\w+):(.*)$/, '$1 $2 $3')),
	);
	const described = await ask(test, 'show stat typed desc');
	t.ok(
		described
			.trim()
			.split('\n')
			.every((line) => /:".+"$/.test(line)),
	);
	t.ok(JSON.parse(await ask(test, 'show schema json')));
});

t.test('show info', async (t) => {
	const test = createView(DEFAULTS);
	const plain = (await ask(test, 'show info')).trim().split('\n');
	const described = (await ask(test, 'show info desc')).trim().split('\n');
	t.equal(described.length, plain.length);
	t.ok(described.every((line) => /^[\w -]+: .*:".+"$/.test(line)));
	const typed = (await ask(test, 'show info typed')).trim().split('\n');
	t.ok(typed.every((line) => /^\d+\.[\w -]+\.1:[A-Z][A-Za-z][A-Z]:(?:str|u32|u64):/.test(line)));
	t.match(plain.join('\n'), /^Maxconn: 100$/m);
	t.match(plain.join('\n'), /^Idle_pct: 75$/m);
	t.match(await ask(test, 'show info float'), /^Uptime_sec: \d+\.\d{6}$/m);
	t.equal((JSON.parse(await ask(test, 'show info json')) as unknown[]).length, plain.length);
});

t.test('ten thousand servers', async (t) => {
	const servers = Array.from({ length: 10_000 }, (_, i) => `  server s${i} 127.0.0.1:${1024 + i}`).join('\n');
	const test = createView(`${DEFAULTS}\nbackend big\n${servers}\n`);
	t.equal((await ask(test, 'show stat')).split('\n').length, 10_003);
	t.equal((await ask(test, 'show servers state')).split('\n').length, 10_003);
});
