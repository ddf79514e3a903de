import { useRef, useState } from 'react'
import { api, ok } from '../lib/api'
import { faultOf } from '../lib/fault'
import { t, tOf } from '../lib/words'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Progress } from '../ui/progress'
import { Select } from '../ui/select'
import { type Lead, useUsers } from './data'

export const transferReasons = ['workload', 'absence', 'better-fit', 'asked-for-it'] as const

interface Run {
  done: number
  failed: { lead: Lead; why: string }[]
  over: boolean
}

/** Gives many leads to one person, one after the other: what went wrong is named and stays chosen. */
export function BulkTransfer({ leads, onClose }: { leads: Lead[]; onClose: (left: Lead[]) => void }) {
  const users = useUsers().data?.filter((u) => u.state === 'active' && (u.role === 'salesperson' || u.role === 'manager')) ?? []
  const [to, setTo] = useState<string | null>(null)
  const [reason, setReason] = useState<string>('workload')
  const [run, setRun] = useState<Run | null>(null)
  const stop = useRef(false)
  const left = useRef(leads)

  const go = async () => {
    const state: Run = { done: 0, failed: [], over: false }
    const rest = [...leads]
    setRun({ ...state })
    const one = async () => {
      for (let l = rest.shift(); l && !stop.current; l = rest.shift()) {
        try {
          await ok(api.POST('/v1/leads/{id}/transfer', { params: { path: { id: l.id } }, body: { to: to!, reason } }))
          state.done++
        } catch (e) {
          const f = faultOf(e)
          state.failed.push({ lead: l, why: f.detail ?? f.message })
          if (f.code === 'offline') stop.current = true
        }
        setRun({ ...state, failed: [...state.failed] })
      }
    }
    await Promise.all([one(), one(), one()])
    left.current = [...state.failed.map((f) => f.lead), ...rest]
    setRun({ ...state, over: true })
  }
  const close = () => {
    if (run && !run.over) stop.current = true
    else onClose(run ? left.current : leads)
  }
  const name = users.find((u) => u.id === to)?.name ?? ''
  return (
    <Dialog
      open
      onClose={close}
      title={t('console.bulk.title', { count: leads.length })}
      words={run ? undefined : t('console.bulk.words')}
      actions={
        run ? (
          <Button look={run.over ? 'primary' : 'plain'} onClick={close}>{run.over ? t('common.close') : t('console.bulk.stop')}</Button>
        ) : (
          <>
            <Button look="quiet" onClick={close}>{t('common.cancel')}</Button>
            <Button look="primary" disabled={!to} onClick={() => void go()}>{t('console.bulk.do', { count: leads.length })}</Button>
          </>
        )
      }
    >
      {run ? (
        <div className="space-y-3">
          <Progress label={t('console.bulk.progress')} value={run.done + run.failed.length} of={leads.length} />
          <p role="status" className="figures">{t('console.bulk.done', { count: run.done, name })}</p>
          {run.failed.length > 0 && (
            <div>
              <p className="font-medium text-lost">{t('console.bulk.failed', { count: run.failed.length })}</p>
              <ul className="mt-1 max-h-40 overflow-y-auto text-sm text-soft">
                {run.failed.map((f) => <li key={f.lead.id}><span dir="ltr" className="font-mono text-xs">…{f.lead.id.slice(-8)}</span> {f.why}</li>)}
              </ul>
            </div>
          )}
          {run.over && left.current.length > run.failed.length && <p className="text-soft">{t('console.bulk.stopped', { count: left.current.length - run.failed.length })}</p>}
        </div>
      ) : (
        <div className="grid gap-4">
          <Select label={t('console.bulk.to')} value={to} onChange={setTo} choices={users.map((u) => ({ value: u.id, label: `${u.name} · ${tOf('console.presence', u.presence)}` }))} />
          <Select label={t('console.bulk.reason')} value={reason} onChange={setReason} choices={transferReasons.map((r) => ({ value: r as string, label: t(`console.reason.${r}`) }))} />
        </div>
      )}
    </Dialog>
  )
}
