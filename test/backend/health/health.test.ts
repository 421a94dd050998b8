/** The number behind `rise` and `fall`, move by move, and what an agent may say. */
import t from 'tap';
import { parseAgentReply } from '../../../lib/backend/health/agent-reply.js';
import { Health } from '../../../lib/backend/health/health.js';

/** `+` a success, `-` a failure; what the health then says. */
const MOVES: readonly (readonly [rise: number, fall: number, moves: string, states: readonly string[]])[] = [
	[2, 3, '+', ['3/3 UP']],
	[2, 3, '-', ['0/2 DOWN']],
	[2, 3, '+---', ['3/3 UP', '2/3 UP', '1/3 UP', '0/2 DOWN']],
	[2, 3, '+-+', ['3/3 UP', '2/3 UP', '3/3 UP']],
	[2, 3, '-+-+', ['0/2 DOWN', '1/2 DOWN', '0/2 DOWN', '1/2 DOWN']],
	[2, 3, '-++', ['0/2 DOWN', '1/2 DOWN', '3/3 UP']],
	[1, 1, '-+-', ['0/1 DOWN', '1/1 UP', '0/1 DOWN']],
	[4, 1, '-++++', ['0/4 DOWN', '1/4 DOWN', '2/4 DOWN', '3/4 DOWN', '1/1 UP']],
];

t.test('rise and fall', async (t) => {
	for (const [rise, fall, moves, states] of MOVES) {
		const health = new Health(rise, fall);
		const seen = [...moves].map((move) => {
			if (move === '+') health.succeed();
			else health.fail();
			return health.toString();
		});
		t.same(seen, states, `rise ${rise} fall ${fall} ${moves}`);
	}
});

t.test('a move that changes nothing says so', async (t) => {
	const health = new Health(2, 3);
	t.equal(health.toString(), '1/3 UP', 'not yet checked');
	t.ok(health.isBetween);
	t.ok(health.succeed());
	t.notOk(health.succeed(), 'full');
	t.notOk(health.isBetween);
	for (let i = 0; i < 3; i++) health.fail();
	t.notOk(health.fail(), 'empty');
});

t.test('sudden death leaves one failure', async (t) => {
	const health = new Health(2, 5);
	health.fill();
	health.weaken();
	t.ok(health.isUp);
	health.fail();
	t.notOk(health.isUp);
});

const none = { weightPercent: undefined, maxconn: undefined, admin: undefined, state: undefined, description: '' };

t.test('what an agent says', async (t) => {
	const replies: readonly (readonly [string, object])[] = [
		['75%\n', { weightPercent: 75 }],
		['up 50% maxconn:30\r\nignored', { state: 'up', weightPercent: 50, maxconn: 30 }],
		['ready,up\tmaxconn:0\n', { admin: 'ready', state: 'up', maxconn: 0 }],
		['down # disk is full\n', { state: 'down', description: 'disk is full' }],
		['stopped', { state: 'stopped' }],
		['fail#x', { state: 'fail', description: 'x' }],
		['drain', { admin: 'drain' }],
		['maint\n', { admin: 'maint' }],
		['failed UP -5% maxconn: 7 12345678%\n', {}],
		['', {}],
	];
	for (const [text, wanted] of replies) t.same(parseAgentReply(text), { ...none, ...wanted }, JSON.stringify(text));
});
