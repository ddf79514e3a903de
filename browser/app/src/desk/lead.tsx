import { useNavigate, useParams, useRouter, useSearch } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { faultOf } from '../lib/fault'
import { span } from '../lib/format'
import { useActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { useSession } from '../lib/session'
import { t, tOf, useArea } from '../lib/words'
import { Badge, type Tone } from '../ui/badge'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Icon } from '../ui/icon'
import { Menu } from '../ui/menu'
import { Block, Rows } from '../ui/skeleton'
import { Ago, Running, When } from '../ui/time'
import { faultWords } from '../ui/toast'
import { ContactBar, ContactLines } from './contact'
import { type Lead, useLead, useStory } from './data'
import { BookSheet, CloseSheet, GiveBackSheet, NextSheet, NoteSheet, StopSheet, VisitSheet } from './forms'
import { Asked, History } from './history'
import { OutcomeSheet } from './outcome'
import { nameOf } from './row'
import { back, useTrying } from './trying'

const Files = lazy(() => useArea('attached').then(() => import('../attached/files')).then((m) => ({ default: m.Files })))
const CorrectSheet = lazy(() => import('./correct').then((m) => ({ default: m.CorrectSheet })))

export type Form = 'next' | 'note' | 'visit' | 'booking' | 'close' | 'giveBack' | 'stop' | 'correct'

/** One lead: who, what they asked, what is next; the way to call at the thumb. */
export function LeadPage() {
  const { id } = useParams({ from: '/inside/desk/leads/$id' })
  const lead = useLead(id)
  const story = useStory(id)
  if (lead.isPending) return <Rows tall n={5} />
  if (lead.isError) {
    const said = faultWords(faultOf(lead.error))
    return <main className="pt-10"><Empty whole title={said.title} words={said.words} /></main>
  }
  return <Page lead={lead.data} story={story} />
}

const stageTone: Record<Lead['stage']['category'], Tone> = { new: 'accent', 'follow-up': 'plain', won: 'good', dropped: 'lost' }

function Page({ lead, story }: { lead: Lead; story: ReturnType<typeof useStory> }) {
  const router = useRouter()
  const me = useSession()
  const accepted = (useSearch({ strict: false }) as { accepted?: boolean }).accepted
  const [form, open] = useState<Form | null>(null)
  const trying = useTrying()
  const reach = useMay()('leads:work')
  const canWork = lead.state === 'owned' && (reach === 'all' || reach === 'teams' || (reach === 'mine' && lead.owner_id === me?.user_id))
  const closed = lead.stage.category === 'won' || lead.stage.category === 'dropped'
  const close = () => open(null)
  const here = trying?.lead === lead.id ? trying : null
  const asking = !!here?.back
  useLeadActs(canWork && !closed, open)
  return (
    <main className="mx-auto max-w-180 pb-28 md:pt-4 md:pb-10">
      <div className="flex items-center justify-between px-2 pt-2">
        <Button look="quiet" icon="back" onClick={() => (router.history.canGoBack() ? router.history.back() : void router.navigate({ to: '/desk' }))}>{t('common.back')}</Button>
        {canWork && (
          <Menu
            trigger={<Button look="quiet" icon="more" aria-label={t('desk.lead.more')} />}
            acts={[
              { words: t('desk.do.booking'), icon: 'flag', run: () => open('booking') },
              ...(closed ? [] : [{ words: t('desk.do.close'), icon: 'cross' as const, run: () => open('close') }, { words: t('desk.do.giveBack'), icon: 'swap' as const, run: () => open('giveBack') }]),
              null,
              { words: t('desk.do.correct'), icon: 'pen' as const, disabled: !lead.person || lead.person.erased, run: () => open('correct') },
              { words: t('desk.do.stop'), icon: 'warn', lost: true, disabled: !lead.contactable, run: () => open('stop') },
            ]}
          />
        )}
      </div>
      <header className="px-4">
        <h1 className="text-xl font-semibold tracking-tight wrap-anywhere">{nameOf(lead)}</h1>
        <p className="mt-1 text-soft">{lead.project.name} · {lead.source.name}</p>
        <p className="mt-3 flex flex-wrap items-center gap-2">
          <Badge tone={stageTone[lead.stage.category]}>{lead.stage.name}</Badge>
          {lead.re_enquiry && <Badge tone="accent">{t('desk.lead.again')}</Badge>}
          {lead.test && <Badge>{t('desk.lead.test')}</Badge>}
          {!lead.contactable && <Badge tone="lost">{t('desk.lead.stopped')}</Badge>}
          {lead.tags.map((tag) => <Badge key={tag}>{tag}</Badge>)}
        </p>
      </header>
      <Clock lead={lead} accepted={accepted} />
      {!lead.contactable && <p className="mx-4 mt-4 rounded bg-lost-ground px-4 py-3 text-lost">{t('desk.lead.stoppedWords')}</p>}
      {here && !here.back && (
        <button type="button" onClick={back} className="arrives mx-4 mt-4 flex min-h-13 w-[calc(100%-32px)] items-center gap-3 rounded bg-accent-ground px-4 text-start text-accent">
          <Icon name={here.channel === 'call' ? 'phone' : 'chat'} />
          <span className="flex-1 font-medium">{t('desk.lead.how')}</span>
          <Running since={here.at} className="font-semibold" />
        </button>
      )}
      <ContactLines lead={lead} />
      <Asked story={story.data} />
      {!closed && lead.state === 'owned' && <NextLine lead={lead} onChange={canWork ? () => open('next') : undefined} />}
      {canWork && (
        <div className="mt-4 grid grid-cols-3 gap-2 px-4">
          <Button icon="note" onClick={() => open('note')}>{t('desk.do.note')}</Button>
          <Button icon="calendar" disabled={closed} onClick={() => open('visit')}>{t('desk.do.visit')}</Button>
          <Button icon="clock" disabled={closed} onClick={() => open('next')}>{t('desk.do.next')}</Button>
        </div>
      )}
      <Suspense fallback={<Block className="mx-4 mt-8 h-24" />}><Files lead={lead.id} canWork={canWork} title="text-base font-semibold" className="mx-4 mt-8" /></Suspense>
      <History lead={lead} story={story.data} canWork={canWork} />
      {canWork && lead.contactable && !closed && <ContactBar lead={lead} />}
      {asking && here && <OutcomeSheet lead={lead} trying={here} />}
      <NextSheet lead={lead} open={form === 'next'} onClose={close} />
      <NoteSheet lead={lead} open={form === 'note'} onClose={close} />
      <VisitSheet lead={lead} open={form === 'visit'} onClose={close} />
      <BookSheet lead={lead} open={form === 'booking'} onClose={close} />
      <CloseSheet lead={lead} open={form === 'close'} onClose={close} />
      <GiveBackSheet lead={lead} open={form === 'giveBack'} onClose={close} />
      {form === 'correct' && <Suspense><CorrectSheet lead={lead} onClose={close} /></Suspense>}
      <StopSheet lead={lead} open={form === 'stop'} onClose={close} />
    </main>
  )
}

/** Until somebody tries, the time that the person waits; afterwards, how long it took. */
function Clock({ lead, accepted }: { lead: Lead; accepted?: boolean }) {
  if (lead.attempted_at || lead.state !== 'owned') {
    const speed = lead.clocks.speed_to_lead_ms
    if (speed == null) return null
    return (
      <p className="mx-4 mt-4 text-sm text-soft">
        {t('desk.lead.speed')} <span className="figures font-semibold text-ink">{span(speed)}</span>
        {lead.clocks.talk_ms ? <> · {t('desk.lead.talked')} <span className="figures font-semibold text-ink">{span(lead.clocks.talk_ms)}</span></> : null}
      </p>
    )
  }
  return (
    <div className="mx-4 mt-4 flex items-center justify-between gap-4 rounded-lg bg-warm-ground px-4 py-3.5">
      <p className="text-warm">
        <span className="block font-semibold">{accepted ? t('desk.lead.yours') : t('desk.lead.untried')}</span>
        <span className="text-sm">{t('desk.lead.waits')}</span>
      </p>
      <Waited since={lead.enquired_at} />
    </div>
  )
}

function Waited({ since }: { since: string }) {
  const long = Date.now() - Date.parse(since) > 3_600_000
  return long ? <Ago at={since} className="text-xl font-semibold text-warm" /> : <Running since={since} className="text-hero font-semibold tracking-tighter text-warm" />
}

function NextLine({ lead, onChange }: { lead: Lead; onChange?: () => void }) {
  return (
    <section className="mx-4 mt-6 flex items-center gap-3 border-y border-line py-3">
      <Icon name="clock" className={lead.overdue ? 'size-6 text-warm' : 'size-6 text-faint'} />
      <div className="min-w-0 flex-1">
        <h2 className="text-sm text-soft">{t('desk.next.title')}</h2>
        {lead.next_at ? (
          <p className={lead.overdue ? 'font-semibold text-warm' : 'font-semibold'}>
            {tOf('desk.what', lead.next_what ?? 'other')} · <When at={lead.next_at} />
            {lead.overdue && <> · {t('desk.next.overdue')}</>}
          </p>
        ) : (
          <p className="font-semibold">{t('desk.next.none')}</p>
        )}
      </div>
      {onChange && <Button look="quiet" onClick={onChange}>{lead.next_at ? t('desk.next.change') : t('desk.next.set')}</Button>}
    </section>
  )
}

function useLeadActs(on: boolean, open: (f: Form) => void) {
  const go = useNavigate()
  const group = t('desk.lead.group')
  useActs([
    { id: 'lead.back', words: t('desk.lead.toDay'), keys: 'u', group, run: () => void go({ to: '/desk' }) },
    ...(on
      ? ([
          ['next', 'f'],
          ['note', 'n'],
          ['visit', 'v'],
          ['booking', 'b'],
          ['close', 'x'],
        ] as const).map(([form, keys]) => ({ id: `lead.${form}`, words: t(`desk.do.${form}`), keys, group, run: () => open(form) }))
      : []),
  ])
}
