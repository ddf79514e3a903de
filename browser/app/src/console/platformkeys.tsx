import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { useNow } from '../lib/clock'
import { t } from '../lib/words'
import { Badge, type Tone } from '../ui/badge'
import { cx } from '../ui/cx'
import { Block, Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { Copy } from './copy'
import { Page, Part, Sorry } from './page'

type Held = Schemas['KeyDates']
type Kind = Held['kind']
type State = 'ended' | 'late' | 'soon' | 'undated' | 'fine'

const own: Kind[] = ['root', 'receipt', 'record', 'snapshot', 'tokens', 'factors', 'login']
/** Those that a command replaces; the words say how the others are. */
type Turns = 'root' | 'receipt' | 'record' | 'snapshot' | 'tokens'
const turns = (kind: Kind): kind is Turns => kind === 'root' || kind === 'receipt' || kind === 'record' || kind === 'snapshot' || kind === 'tokens'
const soon = 30 * 24 * 3_600_000
const tones: Record<State, Tone> = { ended: 'lost', late: 'warm', soon: 'accent', undated: 'plain', fine: 'good' }
const recover = 'catchment keys recovery age1…'

/** The platform's keys and the secrets it was given: their names and dates, never a key, and what replaces one. */
export function PlatformKeys() {
  const asked = useQuery({ queryKey: ['platform', 'keys'], queryFn: () => ok(api.GET('/v1/operator/keys')), refetchInterval: 60_000 })
  const now = useNow(60_000)
  const all = asked.data?.items ?? []
  const late = all.filter((k) => k.late || k.refused).length
  return (
    <Page title={t('console.nav.platformKeys')} words={t('console.platformKeys.words')}>
      {asked.isError && !asked.data ? <Sorry error={asked.error} again={() => void asked.refetch()} /> : !asked.data ? <><Block className="h-24 w-full" /><Rows n={7} tall /></> : (
        <>
          <section className="mb-10">
            <p className={cx('text-hero font-semibold tracking-tight', late > 0 && 'text-warm')}>{late > 0 ? t('console.platformKeys.late', { count: late }) : t('console.platformKeys.fine')}</p>
            {asked.data.recovery_recipients > 0 ? <p className="mt-1.5 text-sm text-soft">{t('console.platformKeys.recoverable', { count: asked.data.recovery_recipients })}</p> : (
              <div className="mt-4 max-w-160 border-s-2 border-warm ps-4">
                <p className="font-medium text-warm">{t('console.platformKeys.lost')}</p>
                <p className="mt-1 mb-3 text-sm text-soft">{t('console.platformKeys.lostWords')}</p>
                <Command text={recover} />
              </div>
            )}
          </section>
          <Keys title={t('console.platformKeys.own')} kinds={own} all={all} now={now} />
          <Keys title={t('console.platformKeys.given')} kinds={all.map((k) => k.kind).filter((k, i, list) => !own.includes(k) && list.indexOf(k) === i)} all={all} now={now} />
        </>
      )}
    </Page>
  )
}

function Keys({ title, kinds, all, now }: { title: string; kinds: Kind[]; all: Held[]; now: number }) {
  const rows = kinds.filter((kind) => all.some((k) => k.kind === kind))
  if (!rows.length) return null
  return <Part title={title} className="mb-10"><ul>{rows.map((kind) => <One key={kind} kind={kind} all={all.filter((k) => k.kind === kind)} now={now} />)}</ul></Part>
}

function stateOf(k: Held, now: number): State {
  if (k.refused) return 'ended'
  if (k.late) return 'late'
  if (!k.born_at && !k.due_at) return 'undated'
  return k.due_at && Date.parse(k.due_at) - now < soon ? 'soon' : 'fine'
}

/** One kind: the key in use, those that wait for their time, and the older ones. */
function One({ kind, all, now }: { kind: Kind; all: Held[]; now: number }) {
  const uses = all.find((k) => k.in_use) ?? all[0]!
  const waits = all.filter((k) => !k.in_use && k.born_at && Date.parse(k.born_at) > now)
  const older = all.length - waits.length - 1
  const state = stateOf(uses, now)
  return (
    <li className="grid gap-x-8 gap-y-2 border-b border-line py-4 text-sm md:grid-cols-[minmax(0,1fr)_minmax(0,17rem)]">
      <div>
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1 text-base font-medium">{t(`console.platformKeys.${kind}.name`)}<Badge tone={tones[state]}>{t(`console.platformKeys.is.${state}`)}</Badge></p>
        <p className="mt-0.5 text-soft">{t(`console.platformKeys.${kind}.does`)}</p>
        {uses.ends_at && kind === 'root' && <p className="mt-0.5 text-soft">{t('console.platformKeys.rootEnds')}</p>}
        {older > 0 && <p className="mt-0.5 text-soft">{t('console.platformKeys.older', { count: older })}</p>}
        {waits.map((k) => <p key={k.id} className="mt-0.5 text-soft">{t('console.platformKeys.begins')} <When at={k.born_at!} /></p>)}
        <div className="mt-2">{turns(kind) ? <Command text={`catchment keys rotate ${kind}`} quiet={state === 'fine'} /> : <p className={cx(state === 'fine' && 'text-soft')}>{t(`console.platformKeys.${kind}.how`)}</p>}</div>
      </div>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] content-start gap-x-4 gap-y-1">
        <Fact words={t('console.locks.made')}>{uses.born_at ? <When at={uses.born_at} /> : '–'}</Fact>
        <Fact words={t('console.platformKeys.due')}>{uses.due_at ? <When at={uses.due_at} className={cx((state === 'late' || state === 'ended') && 'font-semibold text-warm')} /> : '–'}</Fact>
        {uses.ends_at && <Fact words={t('console.platformKeys.ends')}><When at={uses.ends_at} /></Fact>}
        <Fact words={t('console.platformKeys.id')}><span dir="ltr" className="font-mono text-xs break-all">{uses.id}</span></Fact>
      </dl>
    </li>
  )
}

const Fact = ({ words, children }: { words: string; children: ReactNode }) => <><dt className="text-soft">{words}</dt><dd className="figures">{children}</dd></>

/** What somebody types on the machine. */
const Command = ({ text, quiet }: { text: string; quiet?: boolean }) => (
  <span className="flex flex-wrap items-center gap-3"><code dir="ltr" className="rounded-sm bg-sunken px-2 py-1 font-mono text-xs break-all">{text}</code>{!quiet && <Copy text={text} />}</span>
)
