"""What a detector of wrong prompts is worth: errors found, right prompts rejected, Dice won back."""
