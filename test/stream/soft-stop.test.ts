import t from 'tap';
import { SoftStop } from '../../lib/stream/soft-stop.js';

/** The share of `true` over many calls. */
function share(test: () => boolean): number {
	let count = 0;
	for (let i = 0; i < 2000; i++) if (test()) count++;
	return count / 2000;
}

t.test('before it begins nothing is closed', async (t) => {
	const stop = new SoftStop();
	t.equal(stop.hasBegun, false);
	t.equal(stop.closesWithAnswer(1e9), false);
	t.equal(stop.closesResting(1e9), false);
});

t.test('without close-spread-time everything is, from the first moment', async (t) => {
	const stop = new SoftStop();
	stop.begin(1000, 0);
	t.equal(stop.hasBegun, true);
	t.equal(stop.closesWithAnswer(1000), true);
	t.equal(stop.closesResting(1000), true);
});

t.test('with it, more and more', async (t) => {
	const stop = new SoftStop();
	stop.begin(1000, 10_000);
	t.equal(
		share(() => stop.closesWithAnswer(1000)),
		0,
	);
	const quarter = share(() => stop.closesWithAnswer(3500));
	t.ok(quarter > 0.2 && quarter < 0.3, `${quarter} after a quarter`);
	t.equal(
		share(() => stop.closesWithAnswer(11_000)),
		1,
	);
	const first = share(() => stop.closesResting(1000));
	t.ok(first > 0 && first < 0.03, `${first} at the first look`);
	t.equal(
		share(() => stop.closesResting(10_950)),
		1,
		'all by the end',
	);
	stop.begin(50_000, 10_000);
	t.equal(stop.closesWithAnswer(11_000), true, 'a second order does not put it off');
});

t.test('infinite: none', async (t) => {
	const stop = new SoftStop();
	stop.begin(1000, 'infinite');
	t.equal(stop.hasBegun, true);
	t.equal(stop.closesWithAnswer(1e12), false);
	t.equal(stop.closesResting(1e12), false);
});
