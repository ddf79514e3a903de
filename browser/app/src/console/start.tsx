import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useRef, useState } from 'react'
import { api, ok } from '../lib/api'
import { useHappened } from '../lib/events'
import { Fault } from '../lib/fault'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Field } from '../ui/field'
import { Icon } from '../ui/icon'
import { Select } from '../ui/select'
import { Rows } from '../ui/skeleton'
import { formFault, sayFault } from '../ui/toast'
import { Copy } from './copy'
import { type Lead, type Project, type Source, useProjects, useSources, useUsers } from './data'
import { Invited, InviteForm, type Made, zoneHere } from './invite'
import { NextOffer } from './nextoffer'
import { Page } from './page'

const again = (...keys: string[]) => keys.forEach((k) => void queries.invalidateQueries({ queryKey: [k] }))

/** Where it goes on from here. */
const after = [
  { to: '/console/board', words: 'console.start.board', may: ['reports:read'] },
  { to: '/console/people', words: 'console.start.people', may: ['people:manage'] },
  { to: '/console/files', words: 'console.start.files', may: ['leads:import'] },
] as const

/** From an empty account to the first lead that arrives, each step with what it is for. */
export function Start() {
  const may = useMay()
  const projects = useProjects()
  const sources = useSources()
  const users = useUsers()
  const tests = useQuery({ queryKey: ['leads', 'first-test'], enabled: !!may('leads:read'), queryFn: () => ok(api.GET('/v1/leads', { params: { query: { test: true, limit: 1 } } })).then((l) => l.items) })
  const [choice, choose] = useState<string | null>(null)
  if (projects.isPending || sources.isPending || users.isPending) return <Page title={t('console.start.title')}><Rows n={4} tall /></Page>
  const project = projects.data?.find((p) => p.active) ?? projects.data?.[0]
  const source = sources.data?.find((s) => s.active) ?? sources.data?.[0]
  const seller = users.data?.find((u) => u.role === 'salesperson')
  const done = { project: !!project, source: !!source, seller: !!seller, test: !!tests.data?.length }
  const next = (Object.keys(done) as (keyof typeof done)[]).find((k) => !done[k])
  const open = choice ?? next
  const step = (id: keyof typeof done, n: number, body: ReactNode) => (
    <Step n={n} done={done[id]} open={open === id} onOpen={() => choose(id)} title={t(`console.start.${id}.title`)} words={t(`console.start.${id}.words`)}>{body}</Step>
  )
  return (
    <Page title={t('console.start.title')} words={next ? t('console.start.words') : t('console.start.ready')}>
      <ol className="max-w-180">
        {step('project', 1, <ProjectStep project={project} onDone={() => choose(null)} />)}
        {step('source', 2, <SourceStep project={project} source={source} onMade={() => choose('source')} onNext={() => choose(null)} />)}
        {step('seller', 3, <SellerStep project={project} onInvited={() => choose('seller')} onNext={() => choose(null)} />)}
        {step('test', 4, <TestStep source={source} before={tests.data?.[0]} onSent={() => choose('test')} />)}
      </ol>
      {!next && (
        <nav aria-label={t('console.start.then')} className="mt-8 max-w-180">
          <h2 className="mb-2 text-base font-semibold">{t('console.start.then')}</h2>
          <ul className="space-y-2">
            {after.filter((a) => a.may.some((r) => may(r))).map((a) => <li key={a.to}><Link to={a.to} className="font-medium text-accent underline underline-offset-4">{t(a.words)}</Link></li>)}
          </ul>
        </nav>
      )}
    </Page>
  )
}

function Step({ n, done, open, onOpen, title, words, children }: { n: number; done: boolean; open: boolean; onOpen: () => void; title: string; words: string; children: ReactNode }) {
  return (
    <li className="grid grid-cols-[36px_minmax(0,1fr)] gap-x-4 border-b border-line py-5">
      <span aria-hidden className={cx('figures grid size-9 place-items-center rounded-full text-sm font-semibold', done ? 'bg-good-ground text-good' : open ? 'bg-accent text-on-accent' : 'bg-sunken text-soft')}>
        {done ? <Icon name="check" className="size-4.5" /> : n}
      </span>
      <div className="min-w-0">
        <h2>
          <button type="button" aria-expanded={open} onClick={onOpen} className="flex min-h-9 w-full items-center gap-2 text-start text-base font-semibold">
            {title}
            {done && <span className="text-sm font-normal text-good">{t('console.start.done')}</span>}
          </button>
        </h2>
        {open && <p className="mt-0.5 mb-4 max-w-140 text-soft">{words}</p>}
        {open && children}
      </div>
    </li>
  )
}

function useForm<T>(send: (f: Record<string, string>) => Promise<T>, onDone: (r: T) => void) {
  const [fault, setFault] = useState<Fault | null>(null)
  const m = useMutation({
    mutationFn: send,
    onMutate: () => setFault(null),
    onSuccess: onDone,
    onError: (e) => setFault(formFault(e)),
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    m.mutate(Object.fromEntries([...new FormData(e.currentTarget)].map(([k, v]) => [k, String(v).trim()])))
  }
  return { submit, busy: m.isPending, fields: fault?.fields ?? {} }
}

const form = 'grid max-w-120 gap-4'

function ProjectStep({ project, onDone }: { project?: { name: string }; onDone: () => void }) {
  return (
    <div>
      {project && <p className="mb-4 text-soft">{t('console.start.project.have', { name: project.name })}</p>}
      <ProjectForm onDone={onDone} />
    </div>
  )
}

/** Makes a project, with the pool that its team will be. */
export function ProjectForm({ onDone }: { onDone: (id: string) => void }) {
  const f = useForm(
    async ({ name, time_zone }) => {
      const p = await ok(api.POST('/v1/projects', { body: { name: name!, time_zone } }))
      await ok(api.PUT('/v1/projects/{id}/pool', { params: { path: { id: p.id } }, body: {} }))
      return p.id
    },
    (id) => {
      again('projects')
      onDone(id)
    },
  )
  return (
    <form onSubmit={f.submit} className={form}>
      <Field name="name" label={t('console.start.project.name')} placeholder={t('console.start.project.example')} required fault={f.fields.name} autoComplete="off" />
      <ZoneField fault={f.fields.time_zone} />
      <div><Button type="submit" look="primary" busy={f.busy}>{t('console.start.project.make')}</Button></div>
    </form>
  )
}

/** A time zone by its IANA name; the browser knows those that there are. */
export function ZoneField({ fault, now = zoneHere, disabled }: { fault?: string; now?: string; disabled?: boolean }) {
  return (
    <div>
      <Field name="time_zone" label={t('console.start.project.zone')} help={t('console.start.project.zoneHelp')} defaultValue={now} disabled={disabled} fault={fault} inputClass="ltr" autoComplete="off" list="time-zones" />
      <datalist id="time-zones">{Intl.supportedValuesOf('timeZone').map((z) => <option key={z} value={z} />)}</datalist>
    </div>
  )
}

function SourceStep({ project, source, onMade, onNext }: { project?: { id: string; name: string }; source?: { id: string; name: string }; onMade: () => void; onNext: () => void }) {
  const f = useForm(({ name }) => ok(api.POST('/v1/sources', { body: { name: name!, project_id: project!.id, kind: 'form' } })), () => {
    onMade()
    again('sources')
  })
  if (!project) return <p className="text-soft">{t('console.start.first')}</p>
  return (
    <div className="space-y-5">
      {source ? (
        <>
          <Snippet id={source.id} />
          <Button look="primary" onClick={onNext}>{t('console.start.next')}</Button>
        </>
      ) : (
        <form onSubmit={f.submit} className={form}>
          <Field name="name" label={t('console.start.source.name')} placeholder={t('console.start.source.example')} required fault={f.fields.name} autoComplete="off" />
          <div><Button type="submit" look="primary" busy={f.busy}>{t('console.start.source.make')}</Button></div>
        </form>
      )}
    </div>
  )
}

/** What goes into the page, or to whoever builds it. */
export function Snippet({ id }: { id: string }) {
  const full = useQuery({ queryKey: ['sources', id], queryFn: () => ok(api.GET('/v1/sources/{id}', { params: { path: { id } } })) })
  const [as, show] = useState<'html' | 'fetch' | 'curl'>('html')
  const text = full.data?.snippet?.[as]
  if (!text) return <Rows n={2} />
  return (
    <div>
      <div className="mb-2 flex flex-wrap items-center justify-between gap-2">
        <Select hideLabel label={t('console.snippet.kind')} value={as} onChange={show} choices={[{ value: 'html', label: t('console.snippet.html') }, { value: 'fetch', label: t('console.snippet.fetch') }, { value: 'curl', label: t('console.snippet.curl') }]} className="min-w-56" />
        <Copy text={text} />
      </div>
      <pre dir="ltr" tabIndex={0} className="max-h-64 overflow-auto rounded bg-sunken p-4 text-start font-mono text-xs leading-relaxed text-ink">{text}</pre>
    </div>
  )
}

function SellerStep({ project, onInvited, onNext }: { project?: Project; onInvited: () => void; onNext: () => void }) {
  const may = useMay()
  const [made, setMade] = useState<Made | null>(null)
  if (!project) return <p className="text-soft">{t('console.start.first')}</p>
  if (!may('people:manage')) return <p className="text-soft">{t('console.start.seller.admin')}</p>
  if (!made) return <InviteForm project={project} onMade={(m) => { setMade(m); onInvited() }} />
  return (
    <div>
      <Invited made={made} />
      <div className="mt-3 flex gap-2">
        <Button look="primary" onClick={onNext}>{t('console.start.next')}</Button>
        <Button look="quiet" onClick={() => setMade(null)}>{t('console.invite.another')}</Button>
      </div>
    </div>
  )
}

/** Hands in a form as a page would. The door knows a new source within five seconds. */
async function handIn(source: string, form: Record<string, string>) {
  const body = new URLSearchParams({ ...form, _key: crypto.randomUUID() })
  for (let tries = 0; ; tries++) {
    const answer = await fetch('/f/' + source, { method: 'POST', body, redirect: 'manual', credentials: 'omit' })
    if (answer.type === 'opaqueredirect' || answer.ok) return // 303 to the page that says thanks
    if (tries >= 12 || ![401, 403, 404, 503].includes(answer.status)) throw await Fault.of(answer)
    await new Promise((go) => setTimeout(go, 500))
  }
}

/** Sends a lead in by the same door as everybody's, and shows when it has come. */
function TestStep({ source, before, onSent }: { source?: Source; /** One that came earlier. */ before?: Lead; onSent: () => void }) {
  const sent = useRef<{ at: number; id?: string } | null>(null)
  const [arrived, setArrived] = useState<{ id: string; ms: number } | null>(null)
  const [waiting, wait] = useState(false)
  useHappened((e) => {
    if (!sent.current || e.kind !== 'lead.created' || !e.lead_id || e.source_id !== source?.id) return
    setArrived({ id: e.lead_id, ms: Date.now() - sent.current.at })
    sent.current = null
    wait(false)
    again('leads')
  })
  const go = useMutation({
    mutationFn: () => {
      setArrived(null)
      wait(true)
      onSent()
      sent.current = { at: Date.now() }
      return handIn(source!.id, { 'person.name': 'Ada Example', 'person.phone': '+4420794601' + String(Math.floor(Math.random() * 100)).padStart(2, '0'), message: t('console.start.test.message'), _test: '1' })
    },
    onError: (e) => {
      sent.current = null
      wait(false)
      sayFault(e)
    },
  })
  if (!source) return <p className="text-soft">{t('console.start.firstSource')}</p>
  const shown = arrived?.id ?? before?.id
  return (
    <div className="space-y-4">
      <Button look="primary" icon="inlet" busy={go.isPending || waiting} onClick={() => go.mutate()}>{t('console.start.test.send')}</Button>
      <div role="status">
        {waiting && !arrived && <p className="text-soft">{t('console.start.test.waiting')}</p>}
        {arrived && (
          <p className="arrives flex flex-wrap items-center gap-x-3 gap-y-1 rounded bg-good-ground px-4 py-3 text-good">
            <Icon name="check" className="size-5" />
            <span className="font-medium">{t('console.start.test.arrived', { ms: arrived.ms })}</span>
            <Link to="/console/leads/$id" params={{ id: arrived.id }} className="font-medium underline underline-offset-4">{t('console.start.test.story')}</Link>
          </p>
        )}
      </div>
      {!waiting && shown && (
        <section aria-live="polite" className="max-w-140">
          <h3 className="mb-1 font-medium">{t('console.next.title')}</h3>
          <NextOffer lead={shown} project={source.project_id} />
        </section>
      )}
    </div>
  )
}
