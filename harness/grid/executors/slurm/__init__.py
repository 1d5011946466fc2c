"""SLURM by its own commands: sbatch, squeue, scontrol and scancel, without accounting."""
